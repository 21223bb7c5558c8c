/* The tests of a lab. Probes are in the air together; each is tried again until its test is decided. */
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum {
    FIRST_PAUSE_MS = 200,
    LONGEST_PAUSE_MS = 1000,
    LOOK_MS = 200,
    TOGETHER_MAX = 200,
    SHOWN_MAX = 300
};

enum job_state { JOB_WAITS, JOB_FLIES, JOB_DONE };
struct job {
    const struct lab_test *test;
    struct lab_test_result *result;
    enum job_state state;
    struct flight flight;
    int64_t began, due;  /* ms; due: of the next attempt */
    int64_t quiet_since; /* of `fails` with a time: since when it has not been reached; 0: it was */
    unsigned pause_ms;
};
struct run {
    const struct lab_tester *tester;
    unsigned patience_ms;
    struct job *jobs;
};

void lab_test_results_free(struct lab_test_result *results, size_t count)
{
    for (size_t i = 0; results && i < count; i++)
        free(results[i].detail);
    free(results);
}

/* ---- deciding --------------------------------------------------------------------------------*/

static void decide(struct job *j, bool passed)
{
    j->state = JOB_DONE;
    j->result->passed = passed;
    j->result->elapsed_ms = monotonic_ms() - j->began;
}

static void try_later(struct job *j)
{
    j->state = JOB_WAITS;
    j->due = monotonic_ms() + j->pause_ms;
    j->pause_ms = j->pause_ms * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : j->pause_ms * 2;
}

/* An attempt of a test that must not reach: once, or for as long as one more probe would wait. */
static void judge_refusal(const struct run *run, struct job *j, bool reached, int64_t now)
{
    if (!j->test->within_ms || (reached && now >= j->began + j->test->within_ms)) {
        decide(j, !reached);
        return;
    }
    if (reached)
        j->quiet_since = 0;
    else if (!j->quiet_since)
        j->quiet_since = now;
    else if (now - j->quiet_since >= run->patience_ms) {
        decide(j, true);
        return;
    }
    try_later(j);
}

/* Takes an attempt's result, and @detail. */
static void judge(const struct run *run, struct job *j, bool good, char *detail)
{
    int64_t now = monotonic_ms();
    free(j->result->detail);
    j->result->detail = detail;
    if (j->test->fails && j->test->what == TEST_REACH)
        judge_refusal(run, j, good, now);
    else if (good || now >= j->began + j->test->within_ms)
        decide(j, good);
    else
        try_later(j);
}

static bool is_stopped(const struct run *run)
{
    return run->tester->stopped && run->tester->stopped();
}

static void give_up(struct job *j)
{
    if (j->state == JOB_FLIES)
        flight_cancel(&j->flight);
    free(j->result->detail);
    j->result->detail = xstrdup("interrupted");
    decide(j, false);
    if (!j->began)
        j->result->elapsed_ms = 0;
}

static char *error_text(struct err *e)
{
    char *line = err_line(e);
    return line ? line : xstrdup("it cannot be tried");
}

/* What cannot even be tried fails, also if the node must not be reached. */
static void judge_error(struct job *j, struct err *e)
{
    bool again = monotonic_ms() < j->began + j->test->within_ms;
    free(j->result->detail);
    j->result->detail = error_text(e);
    if (again)
        try_later(j);
    else
        decide(j, false);
}

/* ---- reachability ----------------------------------------------------------------------------*/

static int find_foreign(const struct run *run, const struct lab_test *t, struct ip *out,
                        struct err *e)
{
    const struct lab_tester *l = run->tester;
    struct ip found[2] = {{0}};
    if (ip_parse(t->to_name, out) == 0)
        return 0;
    int r = l->resolve ? l->resolve(t->from, t->to_name, &found[0], &found[1], l->arg, e) : 0;
    if (r < 0)
        return r;
    for (int i = 0; i < 2; i++) {
        if (found[i].family && (!t->family || t->family == found[i].family)) {
            *out = found[i];
            return 0;
        }
    }
    return err_say(e, -ENOENT, "`%s` is no node and has no address", t->to_name);
}

static int find_target(const struct run *run, const struct lab_test *t, struct ip *out,
                       struct err *e)
{
    const struct lab_tester *l = run->tester;
    if (t->to == SIZE_MAX)
        return find_foreign(run, t, out, e);
    _cleanup_lab_interfaces_ struct lab_interfaces from = {0}, to = {0};
    int r = l->interfaces(t->from, &from, l->arg, e);
    if (r == 0)
        r = l->interfaces(t->to, &to, l->arg, e);
    if (r == 0 && !lab_test_choose(&from, &to, t->family, out))
        r = err_say(e, -EADDRNOTAVAIL, "`%s` has no %saddress", t->to_name,
                    t->family == AF_INET    ? "IPv4 "
                    : t->family == AF_INET6 ? "IPv6 "
                                            : "");
    return r;
}

static void take_off(const struct run *run, struct job *j)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const struct lab_tester *l = run->tester;
    struct probe p = {
        .protocol = j->test->protocol, .port = j->test->port, .patience_ms = run->patience_ms};
    if (!j->began)
        j->began = monotonic_ms();
    p.netns = l->netns(j->test->from, l->arg, &e);
    int r = p.netns < 0 ? p.netns : find_target(run, j->test, &p.to, &e);
    if (r < 0) {
        judge_error(j, &e);
        return;
    }
    j->state = JOB_FLIES;
    flight_start(&j->flight, &p);
}

static void tell(const struct run *run, const struct job *j)
{
    const struct lab_tester *l = run->tester;
    if (l->tell && j->state == JOB_DONE)
        l->tell((size_t)(j->test - l->tests), j->result, l->arg);
}

/* One turn of those jobs: starts what is due, hears answers. Returns how many are not decided. */
static size_t reach_turn(const struct run *run, struct job **jobs, size_t count)
{
    struct flight *flights[TOGETHER_MAX];
    size_t flying = 0, open = 0;
    int64_t next = INT64_MAX, now = monotonic_ms();
    for (size_t i = 0; i < count && flying < TOGETHER_MAX; i++) {
        struct job *j = jobs[i];
        if (j->state == JOB_WAITS && j->due <= now) {
            take_off(run, j);
            tell(run, j);
        }
        if (j->state == JOB_FLIES)
            flights[flying++] = &j->flight;
        else if (j->state == JOB_WAITS && j->due < next)
            next = j->due;
    }
    int64_t pause_ms = next == INT64_MAX ? run->patience_ms : next - now;
    if (run->tester->stopped && pause_ms > LOOK_MS)
        pause_ms = LOOK_MS;
    flights_turn(flights, flying, (pause_ms > 0 ? pause_ms : 0) * 1000);
    for (size_t i = 0; i < count; i++) {
        struct job *j = jobs[i];
        if (j->state == JOB_FLIES && j->flight.outcome != PROBE_FLIES) {
            judge(run, j, j->flight.outcome == PROBE_REACHED, flight_text(&j->flight));
            tell(run, j);
        } else if (j->state != JOB_DONE && is_stopped(run)) {
            give_up(j);
        }
        open += j->state != JOB_DONE;
    }
    return open;
}

/* ---- commands --------------------------------------------------------------------------------*/

static char *exec_text(const struct lab_test *t, int status, const char *output)
{
    _cleanup_free_ char *shown = xstrndup(output ? output : "", SHOWN_MAX);
    size_t end = strlen(shown);
    while (end && (shown[end - 1] == '\n' || shown[end - 1] == ' '))
        shown[--end] = '\0';
    const char *lacks =
        t->contains && !(output && strstr(output, t->contains)) ? t->contains : NULL;
    return xasprintf("exit status %d%s%s%s%s%s", status, lacks ? ", without `" : "",
                     lacks ? lacks : "", lacks ? "`" : "", *shown ? ": " : "", shown);
}

static void exec_once(const struct run *run, struct job *j)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *output = NULL;
    const struct lab_test *t = j->test;
    int status = 0;
    int r = run->tester->exec(t, &status, &output, run->tester->arg, &e);
    bool contains = !t->contains || (output && strstr(output, t->contains));
    if (r < 0)
        judge_error(j, &e);
    else
        judge(run, j, contains && (t->fails ? status != 0 : status == t->status),
              exec_text(t, status, output));
}

/* ---- all of them -----------------------------------------------------------------------------*/

/* One test, to its end. */
static void run_alone(const struct run *run, struct job *j)
{
    if (j->test->what == TEST_REACH) {
        while (reach_turn(run, &j, 1))
            continue;
        return;
    }
    if (is_stopped(run)) {
        give_up(j);
        return;
    }
    j->began = monotonic_ms();
    while (exec_once(run, j), j->state != JOB_DONE) {
        int64_t pause_ms = j->due - monotonic_ms();
        (void)poll(NULL, 0, pause_ms > 0 ? (int)pause_ms : 0);
        if (is_stopped(run)) {
            give_up(j);
            break;
        }
    }
    tell(run, j);
}

static void run_after_event(const struct run *run, struct job *j)
{
    const struct lab_tester *l = run->tester;
    struct lab_tester silent = *l;
    _cleanup_err_ struct err e = ERR_INIT;
    silent.tell = NULL;
    struct run alone = {&silent, run->patience_ms, run->jobs};
    if (is_stopped(run)) {
        give_up(j);
        return;
    }
    int r = l->event(j->test, false, l->arg, &e);
    if (r == 0) {
        run_alone(&alone, j);
    } else {
        j->result->detail = error_text(&e);
        decide(j, false);
        j->result->elapsed_ms = 0;
    }
    err_clear(&e);
    /* Also after a failure: half of it may have been done. */
    if (l->event(j->test, true, l->arg, &e) < 0 && j->result->passed) {
        free(j->result->detail);
        j->result->detail = error_text(&e);
        j->result->passed = false;
    }
    tell(run, j);
}

static void run_together(const struct run *run)
{
    const struct lab_tester *l = run->tester;
    _cleanup_free_ struct job **jobs = xcalloc(l->count + 1, sizeof(*jobs));
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++)
        if (!l->tests[i].after && l->tests[i].what == TEST_REACH)
            jobs[count++] = &run->jobs[i];
    while (count && reach_turn(run, jobs, count))
        continue;
}

size_t lab_tests_run(const struct lab_tester *l, struct lab_test_result **results)
{
    *results = xcalloc(l->count + 1, sizeof(**results));
    _cleanup_free_ struct job *jobs = xcalloc(l->count + 1, sizeof(*jobs));
    struct run run = {l, l->patience_ms ? l->patience_ms : LAB_PATIENCE_MS, jobs};
    size_t failed = 0;
    for (size_t i = 0; i < l->count; i++)
        jobs[i] = (struct job){
            .test = &l->tests[i], .result = &(*results)[i], .pause_ms = FIRST_PAUSE_MS};
    run_together(&run);
    for (size_t i = 0; i < l->count; i++)
        if (!l->tests[i].after && l->tests[i].what == TEST_EXEC)
            run_alone(&run, &jobs[i]);
    for (size_t i = 0; i < l->count; i++)
        if (l->tests[i].after)
            run_after_event(&run, &jobs[i]);
    for (size_t i = 0; i < l->count; i++)
        failed += !(*results)[i].passed;
    return failed;
}
