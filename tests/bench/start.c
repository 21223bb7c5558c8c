/* start RUNS LABEL COMMAND… -- LABEL COMMAND… : the time from the spawn of a command to the first instruction
 * of the program that it starts, and from there until the command is reaped.
 *
 * The commands run in turns, so that noise affects all of them alike. The program in the container is
 * `stamp`: it writes the clock (CLOCK_MONOTONIC, 16 bytes) to stdout and exits; for a runtime that closes
 * stdout, it writes to fd 9 if that is open.
 */
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct contender {
    char *label;
    char **argv;
    double *start, *end;
};

static double microseconds(const struct timespec *t)
{
    return (double)t->tv_sec * 1e6 + (double)t->tv_nsec / 1e3;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return microseconds(&t);
}

static int once(const struct contender *c, int run, const int pipe_ends[2])
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 9);
    pid_t pid;
    double begin = now();
    int failed = posix_spawn(&pid, c->argv[0], &actions, NULL, c->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        fprintf(stderr, "%s: %s\n", c->argv[0], strerror(failed));
        return -1;
    }
    struct pollfd p = {.fd = pipe_ends[0], .events = POLLIN};
    struct timespec stamp;
    int status;
    if (poll(&p, 1, 5000) < 1 || read(pipe_ends[0], &stamp, sizeof(stamp)) != sizeof(stamp)) {
        fprintf(stderr, "%s: no stamp\n", c->label);
        return -1;
    }
    waitpid(pid, &status, 0);
    double end = now();
    if (run >= 0) {
        c->start[run] = microseconds(&stamp) - begin;
        c->end[run] = end - microseconds(&stamp);
    }
    return status ? -1 : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *label, const char *what, double *values, int runs, double base)
{
    qsort(values, (size_t)runs, sizeof(*values), by_value);
    double median = values[runs / 2];
    printf("%-22s %-16s median %7.0f  p10 %7.0f  p90 %7.0f us   %.2fx\n", label, what, median,
           values[runs / 10], values[runs * 9 / 10], base > 0 ? median / base : 1.0);
}

int main(int argc, char **argv)
{
    struct contender contenders[16];
    int count = 0, pipe_ends[2], runs = argc > 3 ? atoi(argv[1]) : 0;
    if (runs < 1 || pipe(pipe_ends) < 0) {
        fprintf(stderr, "usage: start RUNS LABEL COMMAND… [-- LABEL COMMAND…]\n");
        return 2;
    }
    for (int i = 2; i + 1 < argc && count < 16; i++) {
        struct contender *c = &contenders[count++];
        *c = (struct contender){argv[i], argv + i + 1, calloc((size_t)runs, sizeof(double)),
                                calloc((size_t)runs, sizeof(double))};
        while (i < argc && strcmp(argv[i], "--") != 0)
            i++;
        argv[i] = NULL; /* argv[argc] is NULL anyway */
    }
    for (int run = -2; run < runs; run++)
        for (int i = 0; i < count; i++) {
            usleep(40000); /* lets the kernel finish the previous one */
            if (once(&contenders[i], run, pipe_ends) < 0)
                return 1;
        }
    double base[2] = {0, 0};
    for (int i = 0; i < count; i++) {
        print(contenders[i].label, "spawn->program", contenders[i].start, runs, base[0]);
        print(contenders[i].label, "program->reaped", contenders[i].end, runs, base[1]);
        if (i == 0) {
            base[0] = contenders[0].start[runs / 2];
            base[1] = contenders[0].end[runs / 2];
        }
    }
    return 0;
}
