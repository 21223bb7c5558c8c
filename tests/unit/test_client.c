/* The monitor's side of an attached `run`: core/client.c. */
#include "check.h"

#include "core/client.h"

#include <errno.h>
#include <signal.h>

/* A client that has handed over @count copies of /dev/null. */
static struct client meet(int *theirs, size_t count)
{
    int ends[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[] = {null, null, null};
    struct client c = CLIENT_INIT;
    if (null < 0 || channel_open(ends, NULL) < 0 ||
        channel_send_fds(ends[0], MESSAGE_STREAMS, fds, count) < 0)
        exit(1);
    int r = client_accept(&c, ends[1], NULL);
    expect(r == (count < 2 ? -EBADMSG : 0), "a client with some descriptors", "%d", r);
    close(null);
    *theirs = ends[0];
    return c;
}

static void test_streams(void)
{
    const int before = open_fds();
    for (size_t count = 1; count <= 3; count++) {
        int theirs;
        struct client c = meet(&theirs, count);
        check(client_is_here(&c) && (c.streams[0] >= 0) == (count == 3) && c.streams[1] >= 0 &&
                  (c.streams[2] >= 0) == (count > 1),
              "which streams", "differ");
        check(fcntl(c.streams[1], F_GETFD) == FD_CLOEXEC, "no program inherits them", "one does");
        client_leave(&c);
        client_leave(&c);
        check(!client_is_here(&c) && channel_send(theirs, MESSAGE_SIGNAL) == -EPIPE, "it has left",
              "it has not");
        close(theirs);
    }
    check(!client_is_here(NULL), "no client", "there is one");
    expect(open_fds() == before, "no fd is left", "%d", open_fds() - before);
}

static void test_messages(void)
{
    int theirs;
    struct client_word word;
    struct client c = meet(&theirs, 2);
    check(client_agrees(&c) == 0 && client_hear(c.channel, &word) == 0, "nothing said",
          "something is");
    (void)channel_send_text(theirs, MESSAGE_SIGNAL, "15 4711");
    check(client_agrees(&c) == -ECANCELED, "a signal before the start", "is not seen");
    check(client_hear(c.channel, &word) == 1 && word.sig == 15 && word.sender == 4711, "a signal",
          "differs");
    static const char *const wrong[] = {"", "15", "15 x", "0 1", "99999 1", "15 1 1", "-1 1"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        (void)channel_send_text(theirs, MESSAGE_SIGNAL, wrong[i]);
        expect(client_hear(c.channel, &word) == 0, "no signal", "%s", wrong[i]);
    }
    (void)channel_send(theirs, MESSAGE_DONE);
    check(client_hear(c.channel, &word) == 0, "another message", "is a signal");
    (void)channel_send_text(theirs, MESSAGE_SIZE, "41 99");
    check(client_hear(c.channel, &word) == 1 && word.sig == 0 && word.size.ws_row == 41 &&
              word.size.ws_col == 99,
          "a size", "is none");
    client_tell_exit(&c, 42, true);
    enum message kind;
    int value;
    check(channel_receive(theirs, &kind, &value, NULL) == 0 && kind == MESSAGE_OOM_KILLED &&
              channel_receive(theirs, &kind, &value, NULL) == 0 && kind == MESSAGE_EXITED &&
              value == 42,
          "the end", "differs");
    check(!client_has_left(&c), "it is here", "it has left");
    close(theirs);
    check(client_has_left(&c) && client_agrees(&c) == -ECANCELED &&
              client_hear(c.channel, &word) == -EPIPE,
          "it has left", "it has not");
    client_leave(&c);
    client_tell_exit(&c, 1, true);
}

/* The same signal by both ways counts once, in either order. */
static void test_repeats(void)
{
    int theirs;
    struct client c = meet(&theirs, 2);
    for (int first = 0; first < 2; first++) {
        check(!client_repeats(&c, SIGTERM, 1, first), "the first", "is a repetition");
        check(client_repeats(&c, SIGTERM, 1, !first), "the other way", "is not a repetition");
        check(!client_repeats(&c, SIGTERM, 1, !first), "after the pair", "is a repetition");
        check(!client_repeats(&c, SIGTERM, 1, !first), "the same way twice", "is a repetition");
        check(!client_repeats(&c, SIGTERM, 2, first), "another sender", "is the same");
        check(!client_repeats(&c, SIGHUP, 2, !first), "another signal", "is the same");
        c.signals[SIGTERM].when = c.signals[SIGHUP].when = 0;
    }
    (void)client_repeats(&c, SIGINT, 1, true);
    c.signals[SIGINT].when -= 2000;
    check(!client_repeats(&c, SIGINT, 1, false), "two seconds later", "is a repetition");
    check(!client_repeats(&c, SIGRTMAX, 1, true) && !client_repeats(&c, -1, 1, true),
          "a number out of range", "is a repetition");
    client_leave(&c);
    close(theirs);
}

int main(void)
{
    test_streams();
    test_messages();
    test_repeats();
    return failures != 0;
}
