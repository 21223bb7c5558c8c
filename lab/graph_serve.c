/* A small HTTP server for the page of a lab: GET / and GET /state.json, for browsers of this host.
 *
 * It listens on 127.0.0.1 alone. A page of another site may make a browser send requests here, under a name that it
 * resolves to 127.0.0.1 (DNS rebinding): a request whose Host is not this address is refused. What a client can make it
 * keep is bounded: few connections, short requests, a few seconds. Each connection is for one request.
 */
#include "graph.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { CONNECTIONS = 16, REQUEST_MAX = 8192, LIFE_MS = 5000, FRESH_MS = 500, TURN_MS = 1000 };

struct server;
struct connection {
    struct server *server;
    int fd; /* -1: free */
    char request[REQUEST_MAX + 1];
    size_t used;
    char *answer; /* NULL: the request is not complete */
    size_t size, sent;
    loop_timer deadline;
};
struct server {
    const struct graph_site *site;
    struct loop *loop;
    int listener;
    uint16_t port;
    struct connection all[CONNECTIONS];
    size_t open;
    char *state; /* of the last question, for a moment */
    int64_t state_at;
};

/* ---- answers ---------------------------------------------------------------------------------*/

static void answer(struct connection *c, const char *status, const char *type, const char *body,
                   bool with_body)
{
    static const char fixed[] = "Cache-Control: no-store\r\n"
                                "X-Content-Type-Options: nosniff\r\n"
                                "X-Frame-Options: DENY\r\n"
                                "Cross-Origin-Resource-Policy: same-origin\r\n"
                                "Referrer-Policy: no-referrer\r\n"
                                "Connection: close\r\n";
    c->answer = xasprintf("HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n%s%s\r\n%s",
                          status, type, strlen(body), fixed,
                          streq(status, "405 Method Not Allowed") ? "Allow: GET\r\n" : "",
                          with_body ? body : "");
    c->size = strlen(c->answer);
}

static void refuse(struct connection *c, const char *status)
{
    _cleanup_free_ char *body = xasprintf("%s\n", status);
    answer(c, status, "text/plain", body, true);
}

/* Many browsers may ask at once; the kernel is asked once. */
static int fresh_state(struct server *s, struct err *e)
{
    if (s->state && monotonic_ms() - s->state_at < FRESH_MS)
        return 0;
    free(take_ptr(s->state));
    int r = s->site->state(&s->state, s->site->arg, e);
    s->state_at = monotonic_ms();
    return r;
}

static void give(struct connection *c, bool page)
{
    struct server *s = c->server;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *body = NULL;
    int r = page ? s->site->page(&body, s->site->arg, &e) : fresh_state(s, &e);
    if (r < 0) {
        _cleanup_free_ char *line = err_line(&e), *text = xasprintf("%s\n", line);
        answer(c, "500 Internal Server Error", "text/plain", text, true);
    } else if (page) {
        answer(c, "200 OK", "text/html", body, true);
    } else {
        answer(c, "200 OK", "application/json", s->state, true);
    }
}

/* ---- requests --------------------------------------------------------------------------------*/

/* The value of the only header @name, which ends at the line's end; NULL: there is none, or there are several. */
static char *header(const char *head, const char *name)
{
    const size_t length = strlen(name);
    char *found = NULL;
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        if (found) {
            free(found);
            return NULL;
        }
        const char *value = line + length + 1;
        value += strspn(value, " \t");
        size_t end = strcspn(value, "\r\n");
        while (end && (value[end - 1] == ' ' || value[end - 1] == '\t'))
            end--;
        found = xstrndup(value, end);
    }
    return found;
}

static bool is_here(const struct server *s, const char *head)
{
    static const char *const names[] = {"127.0.0.1", "localhost"};
    _cleanup_free_ char *host = header(head, "Host");
    for (size_t i = 0; host && i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *with_port = xasprintf("%s:%u", names[i], s->port);
        if (strcasecmp(host, with_port) == 0 || (s->port == 80 && strcasecmp(host, names[i]) == 0))
            return true;
    }
    return false;
}

static void handle(struct connection *c)
{
    const char *head = c->request;
    if (memchr(head, '\0', c->used)) {
        refuse(c, "400 Bad Request");
        return;
    }
    const char *path = strchr(head, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
    const char *line_end = strstr(head, "\r\n");
    if (!end || end > line_end || !skip_prefix(end, " HTTP/1.")) {
        refuse(c, "400 Bad Request");
    } else if (!is_here(c->server, head)) {
        refuse(c, "403 Forbidden");
    } else if (!skip_prefix(head, "GET ")) {
        refuse(c, "405 Method Not Allowed");
    } else {
        _cleanup_free_ char *what = xstrndup(path + 1, strcspn(path + 1, " ?"));
        if (streq(what, "/") || streq(what, "/state.json"))
            give(c, streq(what, "/"));
        else
            refuse(c, "404 Not Found");
    }
}

/* ---- connections -----------------------------------------------------------------------------*/

static void finish(struct connection *c)
{
    struct server *s = c->server;
    loop_remove_fd(s->loop, c->fd);
    c->deadline = loop_cancel_timer(s->loop, c->deadline);
    c->fd = close_fd(c->fd);
    free(take_ptr(c->answer));
    if (s->open-- == CONNECTIONS)
        (void)loop_modify(s->loop, s->listener, EPOLLIN);
}

static void on_deadline(void *arg)
{
    struct connection *c = arg;
    c->deadline = 0;
    finish(c);
}

static void on_connection(int fd, uint32_t events, void *arg)
{
    struct connection *c = arg;
    ssize_t n;
    if (!c->answer) {
        n = recv(fd, c->request + c->used, REQUEST_MAX - c->used, 0);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EINTR))
                finish(c);
            return;
        }
        c->used += (size_t)n;
        c->request[c->used] = '\0';
        if (memmem(c->request, c->used, "\r\n\r\n", 4))
            handle(c);
        else if (c->used == REQUEST_MAX)
            refuse(c, "431 Request Header Fields Too Large");
        if (!c->answer)
            return;
        (void)loop_modify(c->server->loop, fd, EPOLLOUT);
    } else if (events & (EPOLLERR | EPOLLHUP)) {
        finish(c);
        return;
    }
    n = send(fd, c->answer + c->sent, c->size - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        finish(c);
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent == c->size) {
        (void)shutdown(fd, SHUT_WR);
        finish(c);
    }
}

static void on_listener(int fd, uint32_t events, void *arg)
{
    struct server *s = arg;
    (void)events;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return;
    struct connection *c = NULL;
    for (size_t i = 0; i < CONNECTIONS && !c; i++)
        if (s->all[i].fd < 0)
            c = &s->all[i];
    if (!c || loop_add_fd(s->loop, client, EPOLLIN, on_connection, c, NULL) < 0) {
        close(client);
        return;
    }
    c->fd = client;
    c->used = c->size = c->sent = 0;
    c->deadline = loop_add_timer(s->loop, LIFE_MS, on_deadline, c);
    if (++s->open == CONNECTIONS) /* others wait in the kernel */
        (void)loop_modify(s->loop, fd, 0);
}

/* ---- the whole -------------------------------------------------------------------------------*/

static int listen_here(struct server *s, uint16_t port, struct err *e)
{
    const int on = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener < 0)
        return err_set(e, errno, "open a socket");
    (void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s->listener, (struct sockaddr *)&at, size) < 0 ||
        listen(s->listener, CONNECTIONS) < 0) {
        int r = err_set(e, errno, "listen on 127.0.0.1:%u", port);
        if (r == -EADDRINUSE)
            err_hint(e, "`--listen 127.0.0.1:0` takes a free port");
        return r;
    }
    if (getsockname(s->listener, (struct sockaddr *)&at, &size) < 0)
        return err_set(e, errno, "read the port");
    s->port = ntohs(at.sin_port);
    return 0;
}

int graph_serve(uint16_t port, const struct graph_site *site, struct err *e)
{
    _cleanup_loop_ struct loop *loop = NULL;
    struct server *s = xcalloc(1, sizeof(*s));
    *s = (struct server){.site = site, .listener = -1};
    for (size_t i = 0; i < CONNECTIONS; i++)
        s->all[i] = (struct connection){.server = s, .fd = -1};
    int r = listen_here(s, port, e);
    if (r == 0)
        r = loop_new(&loop, e);
    s->loop = loop;
    if (r == 0)
        r = loop_add_fd(loop, s->listener, EPOLLIN, on_listener, s, e);
    if (r == 0) {
        lab_catch_signals();
        site->ready(s->port, site->arg);
        /* A signal that comes between the question and the wait is seen at the end of the turn. */
        while (r >= 0 && !lab_stopped())
            r = loop_run_once(loop, TURN_MS);
        for (size_t i = 0; i < CONNECTIONS; i++)
            if (s->all[i].fd >= 0)
                finish(&s->all[i]);
        r = r < 0 ? err_set(e, r, "wait for requests") : 0;
    }
    close_fd(s->listener);
    free(s->state);
    free(s);
    lab_release_signals();
    return r;
}
