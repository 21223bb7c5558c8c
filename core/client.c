/* The monitor's side of an attached `run`: the descriptors that the client has handed over, and the channel to it. End of
 * file on the channel means that the client has left.
 */
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { SAME_SIGNAL_MS = 1000 };

int client_accept(struct client *c, int channel, struct err *e)
{
    int fds[CHANNEL_FDS] = {-1, -1, -1};
    enum message kind = MESSAGE_END;
    *c = (struct client)CLIENT_INIT;
    c->channel = channel;
    int n = channel_receive_fds(channel, &kind, fds, e);
    if (n < 0)
        return n;
    c->streams[1] = fds[0];
    c->streams[2] = fds[1];
    c->streams[0] = fds[2];
    return kind == MESSAGE_STREAMS && n >= 2
               ? 0
               : err_say(e, -EBADMSG, "the client did not hand over its streams");
}

int client_agrees(const struct client *c)
{
    char byte;
    ssize_t n = recv(c->channel, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EINTR) ? -ECANCELED : 0;
}

bool client_has_left(const struct client *c)
{
    char byte;
    return client_is_here(c) && recv(c->channel, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0;
}

int client_hear(int channel, struct client_word *out)
{
    struct pollfd p = {.fd = channel, .events = POLLIN};
    enum message kind = MESSAGE_END;
    _cleanup_free_ char *text = NULL;
    uint64_t first, second;
    if (poll(&p, 1, 0) <= 0)
        return 0;
    if (channel_receive_text(channel, &kind, &text, NULL) < 0 || kind == MESSAGE_END)
        return -EPIPE;
    _cleanup_strv_ strv words = strv_split(text, ' ');
    if (strv_len(words) != 2 ||
        parse_u64(words[0], kind == MESSAGE_SIZE ? 0 : 1, UINT16_MAX, &first) < 0 ||
        parse_u64(words[1], 0, INT32_MAX, &second) < 0)
        return 0;
    *out = (struct client_word){.sig = (int)first, .sender = (pid_t)second};
    if (kind == MESSAGE_SIZE)
        *out = (struct client_word){
            .size = {.ws_row = (unsigned short)first, .ws_col = (unsigned short)second}};
    return kind == MESSAGE_SIZE || (kind == MESSAGE_SIGNAL && first <= (uint64_t)SIGRTMAX);
}

void client_say(int channel, enum message kind, int first, int second)
{
    _cleanup_free_ char *text = xasprintf("%d %d", first, second);
    struct pollfd p = {.fd = channel, .events = POLLOUT};
    if (poll(&p, 1, 0) > 0)
        (void)channel_send_text(channel, kind, text);
}

bool client_repeats(struct client *c, int sig, pid_t sender, bool by_client)
{
    if (!client_is_here(c) || sig < 0 || (size_t)sig >= ARRAY_LEN(c->signals))
        return false;
    const int64_t now = monotonic_ms(), when = c->signals[sig].when;
    bool same = when && now - when < SAME_SIGNAL_MS && c->signals[sig].sender == sender &&
                c->signals[sig].by_client != by_client;
    c->signals[sig].sender = sender;
    c->signals[sig].by_client = by_client;
    c->signals[sig].when = same ? 0 : now;
    return same;
}

/* A shortage of memory may pass. Without this message, the client would take the monitor for killed. */
static void send_patiently(const struct client *c, enum message kind, int number)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int r = -EAGAIN;
    for (int tries = 0; r < 0 && r != -EPIPE && r != -ECONNRESET && tries < 100; tries++) {
        if (tries)
            nanosleep(&pause, NULL);
        r = channel_send_number(c->channel, kind, number);
    }
}

void client_tell_exit(struct client *c, int status, bool oom_killed)
{
    if (client_is_here(c) && oom_killed)
        send_patiently(c, MESSAGE_OOM_KILLED, 0);
    if (client_is_here(c))
        send_patiently(c, MESSAGE_EXITED, status);
}

void client_leave(struct client *c)
{
    c->channel = close_fd(c->channel);
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        c->streams[i] = close_fd(c->streams[i]);
}
