/* The client's side of `attach`: what a monitor sends is written to stdout and stderr, and stdin goes to it by a pipe.
 *
 * The next packet is read when the last one has been written. A reader that is slow thus fills the socket, and then the
 * monitor skips output for this client (audience.c).
 */
#include "client.h"
#include "process.h"
#include "raw.h"
#include "relay.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

struct watching {
    int channel;
    const struct attach_request *request;
    struct raw raw;
    struct key_filter keys;
    struct stream in, out, err;
    int signals;
    bool taken_in; /* the monitor has answered */
    bool ended;    /* … and has closed the channel */
    int status;    /* of this client, if it leaves earlier; 0: it stays */
    struct err *e;
};

static void tell_size(const struct watching *w, int more_columns)
{
    struct winsize size;
    if (w->request->tty && terminal_size(&size))
        client_say(w->channel, MESSAGE_SIZE, size.ws_row, size.ws_col + more_columns);
}

/* A program that draws the whole screen draws it again if the size changes. */
static void on_taken_in(struct watching *w)
{
    w->taken_in = true;
    if (w->request->tty && w->in.from >= 0)
        raw_begin(&w->raw, w->in.from);
    w->in.keys = w->raw.on ? &w->keys : NULL;
    tell_size(w, 1);
    tell_size(w, 0);
}

static void show(struct watching *w, enum message kind, const char *data, size_t size)
{
    struct stream *s = kind == MESSAGE_OUTPUT ? &w->out : &w->err;
    memcpy(s->data, data, size);
    s->used = size;
    s->sent = 0;
}

static void show_skipped(const struct watching *w, const char *data, size_t size)
{
    uint64_t bytes = 0;
    if (size != sizeof(bytes))
        return;
    memcpy(&bytes, data, size);
    _cleanup_free_ char *text =
        xasprintf("netctr: warning: %" PRIu64 " bytes of output were skipped: "
                  "this client is too slow (`netctr logs` has them)\n",
                  bytes);
    raw_print(&w->raw, text, strlen(text));
}

static int on_message(struct watching *w)
{
    char data[PACKET_TEXT];
    size_t size = 0;
    enum message kind = MESSAGE_END;
    int r = channel_receive_data(w->channel, &kind, data, &size, w->e);
    if (r < 0)
        return r;
    w->ended = kind == MESSAGE_END;
    if (!w->taken_in && !w->ended)
        on_taken_in(w);
    if (kind == MESSAGE_OUTPUT || kind == MESSAGE_ERRORS)
        show(w, kind, data, size);
    else if (kind == MESSAGE_SKIPPED)
        show_skipped(w, data, size);
    return 0;
}

static void on_signal(struct watching *w)
{
    struct signalfd_siginfo info;
    if (read(w->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (w->request->sig_proxy && w->taken_in)
        client_say(w->channel, MESSAGE_SIGNAL, (int)info.ssi_signo, (int)info.ssi_pid);
    else
        w->status = 128 + (int)info.ssi_signo;
}

static int turn(struct watching *w)
{
    bool full = stream_pending(&w->out) || stream_pending(&w->err);
    struct pollfd p[] = {
        {.fd = w->signals, .events = POLLIN},
        {.fd = w->raw.signals, .events = POLLIN},
        {.fd = full ? -1 : w->channel, .events = POLLIN},
        w->taken_in ? stream_interest(&w->in) : (struct pollfd){.fd = -1},
        stream_interest(&w->out),
        stream_interest(&w->err),
    };
    struct stream *const streams[] = {&w->in, &w->out, &w->err};
    if (poll(p, ARRAY_LEN(p), -1) < 0)
        return errno == EINTR ? 0 : err_set(w->e, errno, "hear from the monitor");
    if (p[0].revents)
        on_signal(w);
    if (p[1].revents && raw_hear(&w->raw))
        tell_size(w, 0);
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        if (p[3 + i].revents)
            stream_run(streams[i], p[3 + i].revents);
    if (w->keys.left)
        w->status = STATUS_DETACHED;
    const int error = w->out.broken ? w->out.broken : w->err.broken;
    if (error && error != EPIPE)
        return err_set(w->e, error, "write the program's output");
    if (error)
        w->status = 128 + SIGPIPE;
    return p[2].revents ? on_message(w) : 0;
}

/* The monitor reads from the pipe, so that it cannot take keys from a terminal while this process is stopped. */
static int open_input(struct watching *w)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(w->e, errno, "open a pipe");
    _cleanup_close_ int theirs = ends[0];
    w->in = (struct stream){
        .from = STDIN_FILENO, .to = ends[1], .close_to = true, .log = -1, .tag = "stdin"};
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0)
        return err_set(w->e, errno, "open a pipe");
    int r = channel_send_fds(w->channel, MESSAGE_STREAMS, &theirs, 1);
    if (r == -EPIPE || r == -ECONNRESET) /* the monitor has said why, and is heard next */
        return 0;
    return r < 0 ? err_set(w->e, r, "hand stdin to the monitor") : 0;
}

static int begin(struct watching *w)
{
    supervise_block_signals();
    w->signals = supervise_open_signals(-1, w->e);
    int r = w->signals < 0 ? w->signals : 0;
    if (r == 0 && w->request->tty)
        r = raw_listen(&w->raw, w->e);
    if (r == 0 && w->request->input)
        r = open_input(w);
    stream_unblock_terminal(STDOUT_FILENO);
    stream_unblock_terminal(STDERR_FILENO);
    return r;
}

int console_attach(int channel, const struct attach_request *request, struct err *e)
{
    const struct stream none = {.from = -1, .to = -1, .log = -1};
    struct watching w = {.channel = channel,
                         .request = request,
                         .raw = RAW_INIT,
                         .keys = {.keys = &request->keys},
                         .in = none,
                         .out = none,
                         .err = none,
                         .signals = -1,
                         .e = e};
    w.out.to = STDOUT_FILENO;
    w.err.to = STDERR_FILENO;
    w.out.tag = w.err.tag = "output";
    int r = begin(&w);
    while (r == 0 && !w.status && (!w.ended || stream_pending(&w.out) || stream_pending(&w.err)))
        r = turn(&w);
    raw_end(&w.raw);
    close_fd(w.signals);
    close_fd(w.in.to);
    return r < 0 ? r : w.status;
}
