/* Packets between a parent and its child, also from a child that sends garbage or dies. */
#include "check.h"

#include "core/packet.h"

#include <netctr/store.h>

#include <sys/socket.h>

struct pair {
    int ends[2];
};
static struct pair pair_open(void)
{
    struct pair p;
    if (channel_open(p.ends, NULL) < 0)
        exit(1);
    return p;
}
static void pair_close(struct pair *p)
{
    close_fd(p->ends[0]);
    close_fd(p->ends[1]);
}
#define _cleanup_pair_ __attribute__((cleanup(pair_close)))

static bool receives(int channel, enum message expected, int *value)
{
    enum message kind = MESSAGE_ERROR;
    return channel_receive(channel, &kind, value, NULL) == 0 && kind == expected;
}

static void test_messages(void)
{
    _cleanup_pair_ struct pair p = pair_open();
    check(fcntl(p.ends[0], F_GETFD) == FD_CLOEXEC && fcntl(p.ends[1], F_GETFD) == FD_CLOEXEC,
          "no program inherits a channel", "one does");
    int value = 0;
    check(channel_send(p.ends[0], MESSAGE_PREPARED) == 0 &&
              channel_send_number(p.ends[0], MESSAGE_PROCESS, 4711) == 0 &&
              channel_send(p.ends[1], MESSAGE_START) == 0,
          "sent", "not sent");
    check(receives(p.ends[1], MESSAGE_PREPARED, &value) && value == -1, "a plain message",
          "differs");
    check(receives(p.ends[1], MESSAGE_PROCESS, &value) && value == 4711, "a number", "differs");
    check(receives(p.ends[0], MESSAGE_START, NULL), "the other way", "differs");
}

static void test_fd(void)
{
    _cleanup_pair_ struct pair p = pair_open();
    int before = open_fds(), pipe[2], got = -1;
    if (pipe2(pipe, O_CLOEXEC) < 0)
        exit(1);
    check(channel_send_fd(p.ends[0], MESSAGE_NETNS, pipe[1]) == 0 &&
              receives(p.ends[1], MESSAGE_NETNS, &got) && got >= 0 && got != pipe[1],
          "an fd is passed", "it is not");
    char byte = 0;
    check(write(got, "x", 1) == 1 && read(pipe[0], &byte, 1) == 1 && byte == 'x',
          "it is the same pipe", "it is not");
    check(fcntl(got, F_GETFD) == FD_CLOEXEC, "no program inherits it", "one does");
    close(got);
    (void)channel_send_fd(p.ends[0], MESSAGE_NETNS, pipe[1]);
    check(receives(p.ends[1], MESSAGE_NETNS, NULL), "an fd that is not wanted", "fails");
    close(pipe[0]);
    close(pipe[1]);
    expect(open_fds() == before, "no fd is left", "%d", open_fds() - before);
}

/* A packet that our own sender never sends. */
static void send_raw(int channel, const void *data, size_t size, const int *fds, size_t count)
{
    struct iovec part = {(void *)data, size};
    char control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    if (sendmsg(channel, &m, MSG_NOSIGNAL) < 0)
        check(false, "send", strerror(errno));
}

static void test_too_many_fds(void)
{
    const uint32_t header[] = {MESSAGE_NETNS, 0, 0, 0};
    const int fds[] = {0, 1, 2, 0, 1, 2, 0, 1};
    for (size_t count = 2; count <= ARRAY_LEN(fds); count++) {
        _cleanup_pair_ struct pair p = pair_open();
        int before = open_fds(), got = -1;
        send_raw(p.ends[0], header, sizeof(header), fds, count);
        bool right = receives(p.ends[1], MESSAGE_NETNS, &got);
        close_fd(got);
        expect(right && got >= 0 && open_fds() == before, "only one fd is kept", "%zu: %d are left",
               count, open_fds() - before);
    }
}

static void test_errors(void)
{
    static char longest[3000];
    memset(longest, 'x', sizeof(longest) - 1);
    static const struct {
        const char *name, *text, *hint;
        int code, status;
    } rows[] = {
        {"a complete error", "mount `x`: No such device", "load the module", -ENODEV, 126},
        {"an error without a hint", "mount `x`: No such device", NULL, -ENODEV, 0},
        {"an error without a text", "", NULL, -EPERM, 127},
        {"an error with per cent signs", "%s%n%d", "%s%n", -EPERM, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_pair_ struct pair p = pair_open();
        _cleanup_err_ struct err sent = ERR_INIT, e = ERR_INIT;
        enum message kind = MESSAGE_END;
        err_say(&sent, rows[i].code, "%s", rows[i].text);
        if (rows[i].hint)
            err_hint(&sent, "%s", rows[i].hint);
        err_status(&sent, rows[i].status);
        int value = 7;
        int r = channel_send_error(p.ends[0], &sent);
        r = r < 0 ? r : channel_receive(p.ends[1], &kind, &value, &e);
        check(r == rows[i].code && e.code == r && e.status == rows[i].status && value == -1 &&
                  streq(e.text, rows[i].text) && streq(e.hint, rows[i].hint),
              rows[i].name, text_of(&e));
        (void)channel_send_error(p.ends[0], &sent);
        check(channel_receive(p.ends[1], &kind, NULL, NULL) == rows[i].code,
              "without an error object", "another code");
    }
    _cleanup_pair_ struct pair p = pair_open();
    _cleanup_err_ struct err sent = ERR_INIT, e = ERR_INIT;
    enum message kind;
    err_say(&sent, -EIO, "%s", longest);
    err_hint(&sent, "%s", longest);
    check(channel_send_error(p.ends[0], &sent) == 0 &&
              channel_receive(p.ends[1], &kind, NULL, &e) == -EIO && strlen(e.text) > 1000 &&
              e.hint && strlen(e.hint) > 1000 && skip_prefix(longest, e.text) &&
              skip_prefix(longest, e.hint),
          "long texts are cut", text_of(&e));
}

/* A failure is a failure, even if its code was lost. */
static void test_nonsense(void)
{
    _cleanup_pair_ struct pair p = pair_open();
    _cleanup_err_ struct err e = ERR_INIT, none = ERR_INIT;
    enum message kind;
    (void)channel_send_error(p.ends[0], &none);
    check(channel_receive(p.ends[1], &kind, NULL, &e) == -EIO, "an error without a code",
          text_of(&e));
    (void)channel_send_error(p.ends[0], &none);
    check(channel_receive(p.ends[1], &kind, NULL, NULL) == -EIO, "also without an error object",
          "success");
    send_raw(p.ends[0], "abc", 3, NULL, 0);
    check(channel_receive(p.ends[1], &kind, NULL, &e) == -EBADMSG, "half a message", text_of(&e));
    struct packet error = {.kind = MESSAGE_ERROR, .code = -EPERM};
    memset(error.text, 'x', sizeof(error.text)); /* no NUL anywhere */
    send_raw(p.ends[0], &error, sizeof(error), NULL, 0);
    check(channel_receive(p.ends[1], &kind, NULL, &e) == -EPERM &&
              strlen(e.text) < sizeof(error.text) && !e.hint,
          "a text without an end", "are read on");
    send_raw(p.ends[0], &error, PACKET_HEADER, NULL, 0);
    check(channel_receive(p.ends[1], &kind, NULL, &e) == -EPERM && streq(e.text, ""),
          "no text at all", text_of(&e));
    send_raw(p.ends[0], &error, PACKET_HEADER + 5, NULL, 0);
    check(channel_receive(p.ends[1], &kind, NULL, &e) == -EPERM && streq(e.text, "xxxxx") &&
              !e.hint,
          "five letters", text_of(&e));
    const int fds[] = {0, 1};
    int before = open_fds(), value = 7;
    send_raw(p.ends[0], &error, sizeof(error), fds, 2);
    send_raw(p.ends[0], "abc", 3, fds, 1);
    bool failed = channel_receive(p.ends[1], &kind, &value, NULL) < 0;
    failed = channel_receive(p.ends[1], &kind, &value, NULL) < 0 && failed;
    check(failed && value == -1 && open_fds() == before, "an error's fds are closed",
          "they are kept");
}

static int die_with_the_rest_unread(void *arg)
{
    struct pair *p = arg;
    close(p->ends[0]);
    _cleanup_err_ struct err reason = ERR_INIT;
    err_say(&reason, -ENOEXEC, "the reason");
    (void)channel_send(p->ends[1], MESSAGE_PREPARED);
    return channel_send_error(p->ends[1], &reason) < 0;
}

static void test_death(void)
{
    _cleanup_pair_ struct pair p = pair_open();
    _cleanup_err_ struct err e = ERR_INIT;
    enum message kind = MESSAGE_ERROR;
    (void)channel_send(p.ends[0], MESSAGE_START); /* the receiver will not read this */
    int status = in_child(die_with_the_rest_unread, &p);
    p.ends[1] = close_fd(p.ends[1]);
    check(status == 0 && receives(p.ends[0], MESSAGE_PREPARED, NULL),
          "what a dead process sent is read", "it is not");
    check(channel_receive(p.ends[0], &kind, NULL, &e) == -ENOEXEC && streq(e.text, "the reason"),
          "their reason, too", text_of(&e));
    int value = 7;
    check(receives(p.ends[0], MESSAGE_END, &value) && value == -1 &&
              receives(p.ends[0], MESSAGE_END, NULL),
          "then end of file, repeatedly", "it is not");
    check(channel_send(p.ends[0], MESSAGE_START) == -EPIPE &&
              channel_send_error(p.ends[0], &e) == -EPIPE,
          "sending to a dead process is EPIPE", "it is not");
}

int main(void)
{
    test_messages();
    test_fd();
    test_too_many_fds();
    test_errors();
    test_nonsense();
    test_death();
    return failures != 0;
}
