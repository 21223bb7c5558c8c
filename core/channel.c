/* Packets between a parent and its child, or a command and a monitor. */
#include "packet.h"

#include <netctr/core.h>

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static_assert(offsetof(struct packet, text) == PACKET_HEADER, "the stub counts on it");

int channel_open(int ends[2], struct err *e)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(e, errno, "open a channel to the container's process");
    return 0;
}

static int send_packet_with(int channel, const struct packet *p, size_t size, const int *fds,
                            size_t count)
{
    struct iovec part = {(void *)p, size};
    char control[CMSG_SPACE(CHANNEL_FDS * sizeof(int))] = {0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (!c) /* there is room for it */
            return -EINVAL;
        *c = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    ssize_t n;
    do {
        n = sendmsg(channel, &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static int send_packet(int channel, const struct packet *p, size_t size, int fd)
{
    return send_packet_with(channel, p, size, &fd, fd >= 0 ? 1 : 0);
}

static int send_plain(int channel, enum message kind, int number, int fd)
{
    struct packet p = {.kind = (uint32_t)kind, .code = number};
    return send_packet(channel, &p, offsetof(struct packet, text), fd);
}

int channel_send(int channel, enum message kind)
{
    return send_plain(channel, kind, -1, -1);
}

int channel_send_fd(int channel, enum message kind, int fd)
{
    return send_plain(channel, kind, -1, fd);
}

int channel_send_fds(int channel, enum message kind, const int *fds, size_t count)
{
    struct packet p = {.kind = (uint32_t)kind, .code = -1};
    return count <= CHANNEL_FDS
               ? send_packet_with(channel, &p, offsetof(struct packet, text), fds, count)
               : -E2BIG;
}

int channel_send_number(int channel, enum message kind, int number)
{
    return send_plain(channel, kind, number, -1);
}

int channel_send_text(int channel, enum message kind, const char *text)
{
    size_t n = strlen(text) + 1;
    struct packet p = {.kind = (uint32_t)kind, .text_length = (uint32_t)n};
    if (n > PACKET_TEXT)
        return -EMSGSIZE;
    memcpy(p.text, text, n);
    return send_packet(channel, &p, offsetof(struct packet, text) + n, -1);
}

int channel_send_error(int channel, const struct err *error)
{
    struct packet p = {
        .kind = MESSAGE_ERROR, .code = error->code, .status = error->status, .text_length = 0};
    const char *parts[] = {error->text ? error->text : "", error->hint ? error->hint : ""};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t room = PACKET_TEXT / 2 - 1, n = strnlen(parts[i], room);
        memcpy(p.text + p.text_length, parts[i], n);
        p.text[p.text_length + n] = '\0';
        p.text_length += (uint32_t)n + 1;
    }
    return send_packet(channel, &p, offsetof(struct packet, text) + p.text_length, -1);
}

/* Takes the fd out of a received message. Its padding has room for a second one, which is closed; the kernel drops
 * any others. */
static int received_fd(struct msghdr *m)
{
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return -1;
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
        int next;
        memcpy(&next, (char *)c + at, sizeof(next));
        if (fd < 0)
            fd = next;
        else
            close(next);
    }
    return fd;
}

static int unpack_error(struct packet *p, size_t size, struct err *e)
{
    size_t room = size - offsetof(struct packet, text);
    p->text[room < PACKET_TEXT ? room : PACKET_TEXT - 1] = '\0';
    size_t n = strlen(p->text);
    /* The sender may be a container, and the text goes to a terminal. */
    for (size_t i = 0; i < room && i < PACKET_TEXT; i++)
        if (p->text[i] && ((unsigned char)p->text[i] < ' ' || p->text[i] == 0x7f))
            p->text[i] = '?';
    int code = err_say(e, p->code ? p->code : -EIO, "%s", p->text);
    if (n + 1 < room && p->text[n + 1])
        err_hint(e, "%s", p->text + n + 1);
    err_status(e, p->status);
    return code;
}

/* Is the receive to be retried? The other side continues once it has spoken: giving up because memory was short
 * for a moment would lose what it has done. ECONNRESET: the other side ended without reading all that we sent. The
 * kernel reports it once, before the packets that wait for us, and the last of those may hold the reason. */
static bool once_more(int *failures)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    if (errno == EINTR || errno == ECONNRESET)
        return true;
    if (errno == EAGAIN || ++*failures > 100)
        return false;
    int code = errno;
    nanosleep(&pause, NULL);
    errno = code;
    return true;
}

static bool carries_fd(int kind)
{
    return kind == MESSAGE_NETNS || kind == MESSAGE_PIDFD || kind == MESSAGE_TERMINAL;
}

int channel_send_data(int channel, enum message kind, const char *data, size_t size)
{
    struct packet p = {.kind = (uint32_t)kind, .code = -1, .text_length = (uint32_t)size};
    if (size > PACKET_TEXT)
        return -EMSGSIZE;
    memcpy(p.text, data, size);
    ssize_t n;
    do {
        n = send(channel, &p, offsetof(struct packet, text) + size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* Waits for one without fds. Returns its size; 0: end of file. */
static ssize_t receive_packet(int channel, struct packet *p, struct err *e)
{
    int failures = 0;
    ssize_t n;
    do {
        n = recv(channel, p, sizeof(*p), 0);
    } while (n < 0 && once_more(&failures));
    return n < 0 ? err_set(e, errno, "hear from the other side") : n;
}

int channel_receive_data(int channel, enum message *kind, char *data, size_t *size, struct err *e)
{
    struct packet p = {0};
    const size_t head = offsetof(struct packet, text);
    ssize_t n = receive_packet(channel, &p, e);
    if (n < 0)
        return (int)n;
    *size = (size_t)n > head ? (size_t)n - head : 0;
    *kind = (size_t)n < head ? MESSAGE_END : (enum message)p.kind;
    if (*kind == MESSAGE_ERROR)
        return unpack_error(&p, (size_t)n, e);
    memcpy(data, p.text, *size);
    return 0;
}

void channel_drop(enum message kind, int value)
{
    if (carries_fd((int)kind))
        close_fd(value);
}

int channel_receive(int channel, enum message *kind, int *value, struct err *e)
{
    struct packet p = {0};
    struct iovec part = {&p, sizeof(p)};
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    int failures = 0;
    ssize_t n;
    do {
        n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && once_more(&failures));
    if (n < 0)
        return err_set(e, errno, "hear from the container's process");
    _cleanup_close_ int got = n > 0 ? received_fd(&m) : -1;
    if (value)
        *value = -1;
    if (n <= 0) {
        *kind = MESSAGE_END;
        return 0;
    }
    if ((size_t)n < offsetof(struct packet, text))
        return err_say(e, -EBADMSG, "the container's process sent half a message");
    if (p.kind == MESSAGE_ERROR)
        return unpack_error(&p, (size_t)n, e);
    *kind = (enum message)p.kind;
    if (value)
        *value = carries_fd(p.kind) ? take_fd(got) : p.code;
    return 0;
}

int channel_receive_text(int channel, enum message *kind, char **text, struct err *e)
{
    struct packet p = {0};
    ssize_t n = receive_packet(channel, &p, e);
    if (n < 0)
        return (int)n;
    if (n > 0 && (size_t)n < offsetof(struct packet, text))
        return err_say(e, -EBADMSG, "the other side sent half a message");
    if (n > 0 && p.kind == MESSAGE_ERROR)
        return unpack_error(&p, (size_t)n, e);
    *kind = n == 0 ? MESSAGE_END : (enum message)p.kind;
    p.text[PACKET_TEXT - 1] = '\0';
    *text = xstrdup(p.text);
    return 0;
}

int channel_receive_fds(int channel, enum message *kind, int fds[CHANNEL_FDS], struct err *e)
{
    struct packet p = {0};
    struct iovec part = {&p, sizeof(p)};
    char control[CMSG_SPACE(CHANNEL_FDS * sizeof(int))] = {0};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    int failures = 0, count = 0;
    ssize_t n;
    do {
        n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && once_more(&failures));
    if (n < 0)
        return err_set(e, errno, "hear from the other side");
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    for (size_t i = 0; c && CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
        if (count < CHANNEL_FDS)
            fds[count++] = fd;
        else /* the padding has room for one more */
            close(fd);
    }
    *kind = (size_t)n < offsetof(struct packet, text) ? MESSAGE_END : (enum message)p.kind;
    return count;
}
