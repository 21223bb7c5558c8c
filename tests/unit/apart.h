/* Checks that run in a process and a network namespace of their own, so that one leaves nothing in the kernel
 * for the next. They stop at the first failure. Without root all of them are skipped.
 */
#pragma once

#include <netctr/netns.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define INSTANCE "0123456789abcdef"

#define SKIPPED 77 /**< exit status of a check that this kernel does not support */

/** Adds text that may help to understand a failure. */
static void (*show_more)(void);

#define require(condition, ...)                                      \
    do {                                                             \
        if (!(condition)) {                                          \
            printf("# %s:%d: %s: ", __FILE__, __LINE__, #condition); \
            printf(__VA_ARGS__);                                     \
            printf("\n");                                            \
            if (show_more)                                           \
                show_more();                                         \
            fflush(stdout);                                          \
            exit(1);                                                 \
        }                                                            \
    } while (0)

struct apart {
    const char *name;
    void (*run)(void);
};

/** Returns 0, 1 or SKIPPED. @prepare may be NULL. */
static inline int run_apart(void (*prepare)(void), void (*run)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
            _exit(SKIPPED);
        if (prepare)
            prepare();
        run();
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED ? SKIPPED : status != 0;
}

/** Runs @count checks; returns the exit status of main(). */
static inline int run_all_apart(void (*prepare)(void), const struct apart *checks, size_t count)
{
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        int r = run_apart(prepare, checks[i].run);
        if (r == SKIPPED)
            printf("skip - %s: not root, or a kernel that cannot show it\n", checks[i].name);
        else
            printf("%s - %s\n", r ? "not ok" : "ok", checks[i].name);
        failed = failed || (r != 0 && r != SKIPPED);
    }
    return failed ? 1 : 0;
}

static inline struct ip ip(const char *text)
{
    struct ip a;
    require(ip_parse(text, &a) == 0, "%s", text);
    return a;
}

static inline void pause_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/** The kernel adds the local route of an IPv6 address asynchronously. Before, packets do not arrive;
 * after that, a datagram to a closed port is refused. */
static inline void wait_for_route(const char *host)
{
    struct sockaddr_in6 a = {
        .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = ip(host).v6};
    for (int i = 0; i < 10000; i++) {
        _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct pollfd p = {.fd = fd};
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && write(fd, "x", 1) == 1 &&
            poll(&p, 1, 1) == 1)
            return;
    }
    require(false, "%s does not become local", host);
}

static inline double now_us(void)
{
    return (double)monotonic_us();
}
