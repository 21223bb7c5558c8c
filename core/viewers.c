/* The monitor's side of `attach`: takes clients in, copies what they type to the program, and hears their signals. The output
 * is sent by the process that copies it (audience.c).
 *
 * A client says what it wants by messages: STREAMS carries a pipe that it writes its input to, SIGNAL and SIZE are as those of
 * the client of an attached `run`. End of file means that it has left. Each has a copy of the program's stdin, so that each
 * can be watched for room.
 */
#include "viewers.h"

#include "relay.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct viewer {
    struct viewers *all;
    int channel;
    int from;         /* its input; -1: none */
    struct stream in; /* from there to the program */
};

struct viewers *viewers_new(struct loop *loop)
{
    struct viewers *v = xcalloc(1, sizeof(*v));
    v->loop = loop;
    return v;
}

static void end_input(struct viewer *viewer)
{
    stream_unwatch(&viewer->in);
    viewer->in.to = close_fd(viewer->in.to);
    viewer->in.from = -1;
}

/* The relay has a copy of the channel: shutting it down tells it, too. */
static void leave(struct viewer *viewer)
{
    struct viewers *v = viewer->all;
    size_t i = 0;
    while (v->list[i] != viewer)
        i++;
    v->list[i] = v->list[v->audience.count - 1];
    audience_remove(&v->audience, viewer->channel);
    loop_remove_fd(v->loop, viewer->channel);
    end_input(viewer);
    (void)shutdown(viewer->channel, SHUT_RDWR);
    close_fd(viewer->channel);
    close_fd(viewer->from);
    free(viewer);
}

void viewers_free(struct viewers *v)
{
    while (v && v->audience.count)
        leave(v->list[0]);
    free(v);
}

/* ---- input -----------------------------------------------------------------------------------*/

static void begin_input(struct viewer *viewer)
{
    end_input(viewer);
    const int *input = viewer->all->input;
    int to = input && *input >= 0 ? fcntl(*input, F_DUPFD_CLOEXEC, 3) : -1;
    if (viewer->from >= 0 && to >= 0)
        viewer->in = (struct stream){
            .from = viewer->from, .to = to, .close_to = true, .log = -1, .tag = "stdin"};
    else
        close_fd(to);
}

static void take_input(struct viewer *viewer)
{
    int fds[CHANNEL_FDS] = {-1, -1, -1};
    enum message kind;
    int n = channel_receive_fds(viewer->channel, &kind, fds, NULL);
    end_input(viewer);
    close_fd(viewer->from);
    viewer->from = n > 0 ? fds[0] : -1;
    for (int i = 1; i < n; i++)
        close_fd(fds[i]);
    begin_input(viewer);
}

static void on_input(int fd, uint32_t events, void *arg)
{
    struct viewer *viewer = arg;
    (void)fd;
    stream_run(&viewer->in, (short)events);
}

int viewers_watch(struct viewers *v)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < v->audience.count; i++)
        r = stream_watch(&v->list[i]->in, v->loop, on_input, v->list[i]);
    return r;
}

void viewers_begin(struct viewers *v, const int *input)
{
    v->input = input;
    for (size_t i = 0; i < v->audience.count; i++)
        begin_input(v->list[i]);
}

/* ---- messages --------------------------------------------------------------------------------*/

static void on_message(int fd, uint32_t events, void *arg)
{
    struct viewer *viewer = arg;
    struct client_word word;
    uint32_t kind = MESSAGE_END;
    (void)events;
    if (recv(fd, &kind, sizeof(kind), MSG_PEEK | MSG_DONTWAIT) == sizeof(kind) &&
        kind == MESSAGE_STREAMS) {
        take_input(viewer);
        return;
    }
    int r = client_hear(fd, &word);
    if (r < 0)
        leave(viewer);
    else if (r > 0 && viewer->all->said)
        viewer->all->said(viewer->all->arg, &word);
}

int viewers_add(struct viewers *v, int channel, struct err *e)
{
    int r = audience_add(&v->audience, channel);
    if (r < 0)
        return err_say(e, r, "%d clients are attached already", AUDIENCE_MAX);
    struct viewer *viewer = xcalloc(1, sizeof(*viewer));
    *viewer = (struct viewer){
        .all = v, .channel = channel, .from = -1, .in = {.from = -1, .to = -1, .log = -1}};
    v->list[v->audience.count - 1] = viewer;
    r = loop_add_fd(v->loop, channel, EPOLLIN, on_message, viewer, e);
    if (r < 0) {
        audience_remove(&v->audience, channel);
        free(viewer);
        return r;
    }
    if (v->joined)
        v->joined(v->arg, channel);
    return 0;
}
