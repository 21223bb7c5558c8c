/* pins - adds, removes and counts pins of network namespaces by the public header.
 *
 *     pins RUN add|drop PREFIX COUNT   PREFIX0, PREFIX1 … of one new namespace
 *     pins RUN count                   how many there are
 *     pins RUN tidy
 *     pins RUN clone COUNT             median of clone(CLONE_NEWNS) and its end, in microseconds
 */
#include <netctr/netns.h>

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static int fail(struct err *e)
{
    _cleanup_free_ char *line = err_line(e);
    fprintf(stderr, "pins: %s\n", line);
    err_clear(e);
    return 1;
}

static int count_one(const char *name, int netns, void *arg)
{
    (void)name;
    *(int *)arg += netns_is(netns);
    return 0;
}

static int add(struct pins *p, const char *prefix, int count, struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    _cleanup_close_ int netns = -1;
    int r = netns_create(-1, &netns, &rt, NULL, NULL, e);
    for (int i = 0; r == 0 && i < count; i++) {
        _cleanup_free_ char *name = xasprintf("%s%d", prefix, i);
        r = pins_add(p, name, netns, e);
    }
    return r;
}

static int drop(struct pins *p, const char *prefix, int count, struct err *e)
{
    int r = 0;
    for (int i = 0; r == 0 && i < count; i++) {
        _cleanup_free_ char *name = xasprintf("%s%d", prefix, i);
        r = pins_remove(p, name, e);
    }
    return r;
}

static int ends_at_once(void *arg)
{
    (void)arg;
    _exit(0);
}

static int64_t clone_once(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int64_t begin = monotonic_us();
    pid_t pid = clone(ends_at_once, stack + sizeof(stack),
                      CLONE_NEWNS | CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        return -1;
    return monotonic_us() - begin;
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, two = *(const int64_t *)b;
    return (one > two) - (one < two);
}

static int measure(int count)
{
    _cleanup_free_ int64_t *us = xcalloc((size_t)count, sizeof(*us));
    for (int i = 0; i < count; i++)
        us[i] = clone_once();
    qsort(us, (size_t)count, sizeof(*us), compare);
    printf("%lld\n", (long long)us[count / 2]);
    return us[0] < 0;
}

static int run(struct pins *p, int argc, char **argv, struct err *e)
{
    int n = 0, r = 0;
    const char *what = argv[2];
    if (streq(what, "count")) {
        r = pins_each(p, count_one, &n, e);
        printf("%d\n", n);
    } else if (streq(what, "tidy")) {
        r = pins_tidy(p, e);
    } else if (streq(what, "clone") && argc == 4) {
        return measure(atoi(argv[3]));
    } else if (streq(what, "add") && argc == 5) {
        r = add(p, argv[3], atoi(argv[4]), e);
    } else if (streq(what, "drop") && argc == 5) {
        r = drop(p, argv[3], atoi(argv[4]), e);
    } else {
        return 2;
    }
    return r < 0 ? fail(e) : 0;
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    _cleanup_pins_ struct pins *p = NULL;
    _cleanup_close_ int dir = argc < 3 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return 2;
    return pins_open(dir, &p, &e) < 0 ? fail(&e) : run(p, argc, argv, &e);
}
