/* Both sides of the control socket. The monitor completes one request, which takes milliseconds, before it does anything
 * else. A client that sends nothing within a second is dropped.
 */
#include "control.h"
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#define CONTROL "control"
#define ASK_MS 60000 /* the monitor may have to wait for a lock */

/* A path in a Unix address has 107 bytes at most. By the fd of its directory, every path is short. */
static struct sockaddr_un address_in(int dir)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/" CONTROL, dir);
    memcpy(a.sun_path, path, strlen(path) + 1);
    return a;
}

static int limit_wait(int fd, int seconds)
{
    struct timeval t = {.tv_sec = seconds};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ||
                   setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0
               ? -errno
               : 0;
}

/* ---- the monitor's side ----------------------------------------------------------------------*/

int control_listen(int run_dir, struct err *e)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = address_in(run_dir);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0)
        return err_set(e, errno, "open the container's control socket");
    return take_fd(fd);
}

/* Commands of version 0.1.0 do not ask for JSON: they print the text of an answer as it is. */
static char *answer_text(const json_t *request, const json_t *answer)
{
    if (streq(json_str(request, "answer"), "json"))
        return answer ? json_dumps(answer, JSON_COMPACT) : xstrdup("{}");
    _cleanup_strv_ strv lines = json_strv(answer, "ports");
    if (lines)
        strv_add(&lines, ""); /* ends the last line */
    return strv_join(lines, "\n");
}

/* The client's own copy of the connection stays. */
static int take_in(int client, control_taker take, void *arg, struct err *e)
{
    int channel = fcntl(client, F_DUPFD_CLOEXEC, 3);
    return channel < 0 ? err_set(e, errno, "copy a descriptor") : take(arg, channel, e);
}

static int handle(int client, control_handler handler, control_taker take, void *arg, char **answer,
                  struct err *e)
{
    enum message kind;
    _cleanup_free_ char *text = NULL;
    int r = channel_receive_text(client, &kind, &text, e);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *what = json_str(j, "do");
    if (kind != MESSAGE_REQUEST || !what)
        return err_say(e, -EBADMSG, "the monitor does not understand the request");
    _cleanup_strv_ strv words = json_strv(j, "words");
    _cleanup_json_ json_t *result = NULL;
    r = streq(what, "attach") ? take_in(client, take, arg, e)
                              : handler(arg, what, words, &result, e);
    if (r >= 0)
        *answer = answer_text(j, result);
    return r < 0 || *answer ? r : err_set(e, ENOMEM, "write the answer");
}

/* An answer may be longer than a packet: a range of ports has one text for each. */
static int send_answer(int client, const char *answer)
{
    int r = 0;
    for (; r == 0 && strlen(answer) >= PACKET_TEXT; answer += PACKET_TEXT - 1) {
        _cleanup_free_ char *part = xstrndup(answer, PACKET_TEXT - 1);
        r = channel_send_text(client, MESSAGE_PART, part);
    }
    return r < 0 ? r : channel_send_text(client, MESSAGE_DONE, answer);
}

void control_serve(int socket, control_handler handler, control_taker take, void *arg)
{
    _cleanup_close_ int client = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *answer = NULL;
    int r = limit_wait(client, 1); /* a silent client must not block the monitor */
    r = r < 0 ? err_set(&e, r, "limit the wait for the request")
              : handle(client, handler, take, arg, &answer, &e);
    if (r < 0 || !answer)
        (void)channel_send_error(client, &e);
    else
        (void)send_answer(client, answer);
}

/* ---- the client's side -----------------------------------------------------------------------*/

struct asking {
    const struct record *record;
    int64_t deadline, stopped; /* for proc_stays_stopped() */
};

int monitor_is_stopped(const struct record *r, struct err *e)
{
    err_say(e, -ETIMEDOUT, "the monitor of container `%s` (process %d) has been stopped",
            r->spec.name, r->monitor);
    err_hint(e, "`kill -CONT %d` lets it go on", r->monitor);
    return -ETIMEDOUT;
}

/* Is the monitor still able to answer in time? */
static int look_at_monitor(struct asking *a, struct err *e)
{
    const struct record *r = a->record;
    if (proc_stays_stopped(r->monitor, &a->stopped))
        return monitor_is_stopped(r, e);
    return monotonic_ms() < a->deadline
               ? 0
               : err_say(e, -ETIMEDOUT, "the monitor of container `%s` does not answer",
                         r->spec.name);
}

/* Its run directory. Without the store's lock, a rename may be between its two directories. */
static int live_dir_of(struct engine *engine, const struct record *r, char **name)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int tries = 0;; tries++) {
        free(*name);
        *name = store_name_now(&engine->store, &r->spec);
        int dir = store_live_dir(&engine->store, *name);
        if (dir != -ENOENT || tries == 40 || proc_lives(r->monitor, r->monitor_start) != 1)
            return dir;
        nanosleep(&pause, NULL);
    }
}

/* EAGAIN: the listen queue is full. */
static int reach(struct engine *engine, struct asking *asking, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = live_dir_of(engine, asking->record, &name);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(e, errno, "open a socket");
    struct sockaddr_un a = address_in(dir);
    int code = dir < 0 ? dir : 0;
    while (code == 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        code = errno == EINTR || errno == EAGAIN ? 0 : -errno;
        if (code == 0 && (code = look_at_monitor(asking, e)) < 0)
            return code;
        if (code == 0)
            nanosleep(&pause, NULL);
    }
    if (code == -ECONNREFUSED || code == -ENOENT)
        return err_say(e, -ESRCH, "container `%s` is not running", name);
    return code < 0 ? err_set(e, code, "reach the monitor of container `%s`", name) : take_fd(fd);
}

static int await_answer(int fd, struct asking *a, struct err *e)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (int n; (n = poll(&p, 1, 500)) <= 0;) {
        if (n < 0 && errno != EINTR)
            return err_set(e, errno, "hear from the monitor of container `%s`",
                           a->record->spec.name);
        int r = n == 0 ? look_at_monitor(a, e) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* The whole text of an answer, which may come in parts. */
static int receive_answer(int fd, struct asking *asking, char **text, struct err *e)
{
    _cleanup_strv_ strv parts = NULL;
    enum message kind = MESSAGE_END;
    int code;
    do {
        char *part = NULL;
        code = await_answer(fd, asking, e);
        if (code == 0)
            code = channel_receive_text(fd, &kind, &part, e);
        if (code == 0)
            strv_add_take(&parts, part);
    } while (code == 0 && kind == MESSAGE_PART);
    if (code == 0 && kind != MESSAGE_DONE)
        return err_say(e, -ESRCH, "container `%s` has ended", asking->record->spec.name);
    if (code == 0)
        *text = strv_join(parts, "");
    return code;
}

/* Monitors of version 0.1.0 answer with lines of text: the published ports. */
static json_t *parse_answer(const char *text)
{
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(j))
        return j;
    json_decref(j);
    j = json_object();
    _cleanup_strv_ strv lines = strv_split(text, '\n'), ports = NULL;
    strv_each (line, lines)
        if (*line)
            strv_add(&ports, line);
    json_put_strv(j, "ports", ports);
    return j;
}

/* Sends a request. Returns the connection. */
static int begin(struct engine *engine, struct asking *asking, const char *what, char *const *words,
                 struct err *e)
{
    const struct record *r = asking->record;
    /* One that is being created has no socket yet, which reach() reports. Between two runs the monitor answers. */
    if (r->status == STATUS_DEAD || r->status == STATUS_EXITED || record_waits(r))
        return engine_not_running(r, e);
    int same = engine_require_version(engine, r, e);
    if (same < 0)
        return same;
    _cleanup_close_ int fd = reach(engine, asking, e);
    if (fd < 0)
        return fd;
    _cleanup_json_ json_t *j = json_object();
    json_put_str(j, "do", what);
    json_put_strv(j, "words", words);
    json_put_str(j, "answer", "json");
    _cleanup_free_ char *request = json_dumps(j, JSON_COMPACT);
    int code = channel_send_text(fd, MESSAGE_REQUEST, request);
    if (code == -EPIPE || code == -ECONNRESET)
        return err_say(e, -ESRCH, "container `%s` has ended", r->spec.name);
    if (code == -EMSGSIZE)
        return err_say(e, code, "the request is too long: split it into several");
    return code < 0 ? err_set(e, code, "ask the monitor of container `%s`", r->spec.name)
                    : take_fd(fd);
}

int control_attach(struct engine *engine, const struct record *r, struct err *e)
{
    struct asking asking = {.record = r, .deadline = monotonic_ms() + ASK_MS};
    _cleanup_close_ int fd = begin(engine, &asking, "attach", NULL, e);
    /* Blocking, as both sides of a channel are. */
    if (fd >= 0 && fcntl(fd, F_SETFL, 0) < 0)
        return err_set(e, errno, "set up the connection");
    return take_fd(fd);
}

int control_ask(struct engine *engine, const struct record *r, const char *what, char *const *words,
                json_t **answer, struct err *e)
{
    struct asking asking = {.record = r, .deadline = monotonic_ms() + ASK_MS};
    _cleanup_free_ char *text = NULL;
    _cleanup_close_ int fd = begin(engine, &asking, what, words, e);
    if (fd < 0)
        return fd;
    int code = receive_answer(fd, &asking, &text, e);
    if (code == 0)
        *answer = parse_answer(text);
    return code;
}
