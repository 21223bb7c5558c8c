/* Runs a container, and pairs its two halves: the process of core/ and the sandbox.
 *
 *     look before → claim → create → attach (while the child mounts) → start → watch over → leave
 *
 * A restart policy runs the program again on the same endpoints: the address stays, and the ports are never free for other
 * containers, as with a pod in Kubernetes.
 */
#include "control.h"
#include "mappable.h"
#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* Each start binds its ports again, so ephemeral ones may change. */
static int take_ports(struct monitor *m, struct err *e)
{
    int r = 0;
    strv_each (text, monitor_spec(m)->publish)
        if (r == 0)
            r = port_mapping_parse(text, &m->request->port_mappings, e);
    return r;
}

/* Everything that can be refused is refused here, before anything is created. */
static int look_before(struct monitor *m, struct err *e)
{
    /* The caller's limits, before caller_reset() changes them. */
    int r = ulimits_read(&monitor_spec(m)->ulimits, e);
    if (r == 0)
        r = caller_reset(e);
    if (r == 0)
        r = userns_decide(m, e);
    if (r == 0)
        r = sandbox_plan(m->sandbox, monitor_spec(m)->networks, m->request->existing, e);
    if (r == 0 && m->request->existing)
        r = take_ports(m, e);
    if (r == 0)
        r = sandbox_hold(m->sandbox, &m->request->port_mappings, m->request->existing, e);
    if (r == 0)
        describe_ports(m);
    return r;
}

/* The store's lock. Where no helper works, none has cleaned up after monitors that were killed, and what they had, as the
 * rules of a port that could be bound, may still exist: then this looks at all of them, once. */
static int lock_and_clean_up(struct monitor *m, struct err *e)
{
    _cleanup_close_ int lock = helpers_store_lock(m->engine, e);
    int r =
        lock < 0 || helpers_work(m->engine, NULL) ? 0 : engine_repair(m->engine, &gc_quietly, e);
    return r < 0 ? r : take_fd(lock);
}

static int take_name(struct monitor *m, struct err *e)
{
    return (m->request->existing ? container_restart_claim : container_claim)(
        &m->engine->store, &m->request->spec, &m->container, e);
}

/* A container whose monitor was killed a moment ago may still have the name. */
int monitor_claim(struct monitor *m, struct err *e)
{
    int cleared = 0, lock = lock_and_clean_up(m, e);
    int r = lock < 0 ? lock : take_name(m, e);
    if (r == -EEXIST || r == -EBUSY) {
        _cleanup_err_ struct err why = ERR_INIT;
        cleared = engine_clear_if_dead(m->engine, m->request->spec.name, &why);
        if (cleared < 0)
            warn("%s", why.text);
    }
    if (cleared > 0) {
        err_clear(e);
        r = take_name(m, e);
    }
    close_fd(lock);
    if (cleared > 0)
        store_empty_trash(&m->engine->store);
    return r;
}

/* A pinned sandbox was connected when perhaps no name server ran, so its networks do not know the port of one yet. */
static int serve_names(struct monitor *m, struct err *e)
{
    struct net *net;
    int r = helpers_prepare(m->engine, &m->seed, e);
    if (r < 0 || !m->seed.late)
        return r;
    r = engine_net(m->engine, &net, e);
    return r == 0 ? net_set_names_port(net, NULL, m->seed.port, e) : r;
}

/* The network, while the child mounts. "none" is a namespace with nothing but loopback. */
static int attach(struct monitor *m, struct err *e)
{
    if (m->container.spec.network_mode == NETWORK_HOST)
        return 0;
    struct sandbox *sb = m->sandbox;
    if (sandbox_netns(sb) >= 0) { /* ns:PATH, sandbox:ID */
        int ready = sandbox_is_pinned(sb) ? serve_names(m, e) : 0;
        return ready < 0 ? ready
                         : process_join_netns(&m->container.process, sandbox_netns(sb), e);
    }
    int r = sandbox_has_networks(sb) ? helpers_prepare(m->engine, &m->seed, e) : 0;
    sandbox_set_names_port(sb, m->seed.port);
    if (r == 0)
        r = pair_record(m, e);
    if (r == 0)
        r = sandbox_create(sb, e);
    if (r == 0)
        r = process_join_netns(&m->container.process, sandbox_netns(sb), e);
    return r == 0 ? sandbox_start(sb, e) : r;
}

static int write_files(struct monitor *m, struct err *e)
{
    pair_files(m); /* the spec has moved from the request to the container */
    return sandbox_write_files(m->sandbox, e);
}

/* ---- the program's runs ----------------------------------------------------------------------*/

static int is_to_end(const struct container *c, struct err *e)
{
    int asked = container_end_asked(c);
    return asked < 0 ? err_set(e, asked, "look whether container `%s` is to end", c->spec.name)
                     : asked;
}

/* Is the program to run again? Decided under the lock under which `stop` leaves its mark; so is run_again(), because `stop`
 * may come in between. */
static int decide(struct monitor *m, int status, bool *again, struct err *e)
{
    struct container *c = &m->container;
    _cleanup_close_ int lock = lock_patiently(m, e);
    if (lock < 0)
        return lock;
    int asked = is_to_end(c, e);
    if (asked < 0)
        return asked;
    *again = !asked && restart_wanted(&c->spec.restart, status, c->restarts);
    return *again ? container_set_restarting(c, true, status, e) : 0;
}

/* 1: the container has been stopped in the meantime. */
static int run_again(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    _cleanup_close_ int lock = lock_patiently(m, e);
    int r = lock < 0 ? lock : is_to_end(c, e);
    if (r != 0)
        return r;
    c->restarts++;
    free(take_ptr(c->failure));
    r = container_set_restarting(c, false, c->exit_status, e);
    close_fd(take_fd(lock));
    if (r == 0)
        r = container_create(c, e);
    if (r == 0 && sandbox_netns(m->sandbox) >= 0)
        r = process_join_netns(&c->process, sandbox_netns(m->sandbox), e);
    if (r == 0)
        r = write_files(m, e);
    return r == 0 ? container_start(c, e) : r;
}

/* A failed start counts as an end of the program, with the exit status that this returns. */
static int failed_start(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    int status = e->status ? e->status : EXIT_NETCTR;
    free(c->failure);
    c->failure = err_line(e);
    container_note(c, c->failure);
    if (client_is_here(m->request->client)) /* it prints what we write to stderr */
        fprintf(stderr, "netctr: %s\n", c->failure);
    container_kill(c);
    err_clear(e);
    return status;
}

enum { GOOD_RUN_MS = 10000 }; /* a run of this length resets the pauses between runs */

/* Runs the program again as long as the policy says. Returns the last exit status. */
static int run_on(struct monitor *m, const struct supervise_options *options, struct err *e)
{
    struct container *c = &m->container;
    unsigned in_a_row = 0;
    int64_t began = monotonic_ms();
    int status = container_supervise(c, options, e);
    for (bool again = true; status >= 0;) {
        in_a_row = began && monotonic_ms() - began >= GOOD_RUN_MS ? 1 : in_a_row + 1;
        int r = decide(m, status, &again, e);
        if (r < 0 || !again)
            return r < 0 ? r : status;
        r = container_reset(c, e);
        if (r == 0)
            r = supervise_pause(&c->process, options, restart_delay_ms(in_a_row - 1), e);
        if (r < 0)
            return r;
        r = run_again(m, e);
        if (r > 0)
            return status;
        began = r == 0 ? monotonic_ms() : 0; /* a failed start is never a good run */
        status = r == 0 ? container_supervise(c, options, e) : failed_start(m, e);
    }
    return status;
}

static int take_viewer(void *monitor, int client, struct err *e)
{
    struct monitor *m = monitor;
    return supervise_attach(&m->container.process, client, e);
}

static void serve_control(int fd, uint32_t events, void *monitor)
{
    struct monitor *m = monitor;
    (void)events;
    control_serve(fd, change_running, take_viewer, m);
}

/* Reports to the caller, once, that the program runs (@waits NULL), or why it does not run yet. */
static int tell_caller(struct monitor *m, const char *waits, struct err *e)
{
    int r = m->request->started && !m->begun ? m->request->started(waits, m->request->arg) : 0;
    if (r < 0)
        return err_set(e, r, "tell the caller that the container %s", waits ? "waits" : "runs");
    m->begun = true;
    return 0;
}

/* Watches the sockets of the ports, the helpers, names, and the control socket while the program runs. */
static int watch_over(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    struct supervise_options options = {.client = m->request->client, .loop = m->loop};
    /* Closing an inotify watch costs a grace period of the kernel, which a short-lived container should not pay. */
    int r = sandbox_serve(m->sandbox, c->spec.detached ? 0 : 300, e);
    if (r == 0)
        r = seed_watch(m, e);
    if (r == 0 && m->control >= 0)
        r = loop_add_fd(m->loop, m->control, EPOLLIN, serve_control, m, e);
    if (r < 0)
        return r;
    /* Last: failures after this are not reported to the caller. */
    r = tell_caller(m, NULL, e);
    if (r == 0)
        unmapped_watch(m);
    return r < 0 ? r : run_on(m, &options, e);
}

/* The last monitor ends helpers that do not end by themselves. */
static void release_helpers(struct monitor *m)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (helpers_work(m->engine, NULL))
        return;
    _cleanup_close_ int lock = store_lock(&m->engine->store, &e);
    if (lock >= 0 && helpers_release(m->engine, &e) < 0)
        warn("%s", e.text);
}

/* Undoes everything except the name, also after a start that failed half-way. Returns the first failure. */
static int undo(struct monitor *m, bool keep, int status, struct err *e)
{
    struct container *c = &m->container;
    _cleanup_err_ struct err step = ERR_INIT;
    loop_remove_fd(m->loop, m->control);
    m->control = close_fd(m->control);
    seed_unwatch(m);
    unmapped_unwatch(m);
    if (keep && container_note_end(c, status, &step) < 0)
        (void)container_remember_end(c, status, &step);
    /* Before the name is released: once a container is gone, its ports must be free. */
    int result = sandbox_leave(m->sandbox, helpers_work(m->engine, NULL), e);
    int r = container_end(c, keep, status, &step);
    err_note(&result, r, e, &step);
    return result;
}

static int leave(struct monitor *m, bool keep, int status, struct err *e)
{
    _cleanup_err_ struct err step = ERR_INIT;
    int result = undo(m, keep, status, e), r = 0;
    /* After a failure the records stay, so that the next command tries again. */
    if (result == 0) {
        _cleanup_close_ int lock = lock_to_leave(m, &step);
        r = lock < 0 ? lock : container_release_name(&m->container, keep, &step);
    }
    err_note(&result, r, e, &step);
    if (!keep && m->container.spec.id)
        store_empty_trash_of(&m->engine->store, m->container.spec.id);
    if (result != -ETIMEDOUT) /* do not wait for the same lock twice */
        release_helpers(m);
    return result;
}

static void become_monitor(const struct monitor *m)
{
    oom_score_of_monitor();
    monitor_set_title(m);
}

/* From the claim to a running program. */
static int begin(struct monitor *m, struct err *e)
{
    close_fd(m->container.owner_fd); /* of an attempt before */
    m->container.process.size = m->request->size;
    int r = m->container.owner_fd = sandbox_owner(m->sandbox, e);
    if (r < 0 || (r = container_create(&m->container, e)) < 0 || (r = attach(m, e)) < 0 ||
        (r = write_files(m, e)) < 0 ||
        (r = m->control = control_listen(m->container.run_fd, e)) < 0)
        return r;
    return container_start(&m->container, e);
}

/* From the running program to its end. */
static int run_to_end(struct monitor *m, struct err *e)
{
    int status = watch_over(m, e);
    if (status < 0) { /* there may be no caller to report to */
        container_note(&m->container, e->text);
        container_kill(&m->container);
    }
    _cleanup_err_ struct err trouble = ERR_INIT;
    bool keep = m->begun ? !m->container.spec.auto_remove : m->container.existing;
    if (leave(m, keep, status < 0 ? EXIT_NETCTR : status, &trouble) < 0)
        warn("%s (the next command tries again)", trouble.text);
    m->request->oom_killed = m->container.oom_killed;
    if (status == 0 && m->container.process.output_failed)
        return EXIT_NETCTR; /* the program did not notice that its output is lost */
    return status;
}

static int run_once(struct monitor *m, struct err *e)
{
    int r;
    if ((r = look_before(m, e)) < 0 || (r = monitor_claim(m, e)) < 0) {
        userns_abandon(m);
        return r;
    }
    become_monitor(m);
    if ((r = begin(m, e)) < 0) {
        _cleanup_err_ struct err ignored = ERR_INIT;
        if (r == -ENOTSUP)
            mappable_forget(&m->engine->store, &m->container.spec);
        container_kill(&m->container);
        /* One that `create --rm` has made is removed when its start fails, as with docker. */
        bool keep = m->container.existing && !m->container.spec.auto_remove;
        (void)leave(m, keep, e->status ? e->status : EXIT_NETCTR, &ignored);
        return r;
    }
    return run_to_end(m, e);
}

/* ---- a start that waits -----------------------------------------------------------------------
 *
 * After a reboot, what a container needs may come later: an address, a disk, the container whose network it shares. Its
 * monitor tries again. Meanwhile the status is "restarting", and `stop` works. The name stays claimed, so that no
 * request to stop it is lost.
 */

enum {
    START_PAUSE_MAX_MS = 10000
}; /* so that users need not wait long once they have fixed the cause */

static int claim_again(struct monitor *m, struct spec *spec, int status, const char *why,
                       struct err *e)
{
    struct container *c = &m->container;
    int r = container_restart_claim(&m->engine->store, spec, c, e);
    if (r < 0)
        return r;
    c->failure = xstrdup(why);
    r = container_set_restarting(c, true, status, e);
    return r == 0 ? supervise_listen(&c->process, e) : r;
}

/* Undoes a failed start, and claims the container again under the same lock. Returns 1 if it has been stopped; then it has
 * ended. */
static int step_back(struct monitor *m, const struct err *failure, struct err *e)
{
    const int status = failure->status ? failure->status : EXIT_NETCTR;
    _cleanup_free_ char *why = err_line(failure);
    container_kill(&m->container);
    int r = undo(m, true, status, e);
    _cleanup_close_ int lock = r < 0 ? r : lock_patiently(m, e);
    int asked = lock < 0 ? lock : is_to_end(&m->container, e);
    if (asked > 0) { /* perhaps only after the exit record was written */
        m->container.noted = false;
        (void)container_note_end(&m->container, status, NULL);
    }
    r = asked < 0 ? asked : container_release_name(&m->container, true, e);
    if (r < 0 || asked)
        return r < 0 ? r : 1;
    _cleanup_spec_ struct spec spec = m->container.spec;
    m->container.spec = (struct spec){0};
    bool begun = m->begun;
    monitor_clear(m);
    *m = monitor_new(m->engine, m->request, m->loop);
    m->begun = begun;
    return claim_again(m, &spec, status, why, e);
}

/* After the pause. Returns 1 if the container has been stopped. Its networks and its name may have been changed as well, so the
 * definition is read again. */
static int stop_waiting(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    _cleanup_close_ int lock = lock_patiently(m, e);
    int r = lock < 0 ? lock : container_reread(c, e);
    int asked = r < 0 ? r : is_to_end(c, e);
    monitor_set_title(m);
    /* Also if it ends now: from here on no command may rename or redefine it. */
    r = asked < 0 ? asked : container_set_restarting(c, false, c->exit_status, e);
    return r < 0 ? r : asked;
}

/* It may have been renamed while it waited, and ends for a reason that kept it from reading that. */
static void know_name(struct monitor *m)
{
    struct container *c = &m->container;
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_close_ int lock = lock_patiently(m, &ignored);
    if (lock >= 0 && container_reread(c, &ignored) == 0)
        (void)container_set_restarting(c, false, c->exit_status, &ignored);
}

/* Logs a reason only when it changes, not for each attempt. */
static void note_reason(struct monitor *m, char **last)
{
    const char *why = m->container.failure;
    if (!streq(why, *last))
        container_note(&m->container, why);
    free(*last);
    *last = xstrdup(why);
}

static int wait_for_turn(struct monitor *m, unsigned times, struct err *e)
{
    const struct supervise_options options = {.loop = m->loop};
    int pause = restart_delay_ms(times);
    pause = pause < START_PAUSE_MAX_MS ? pause : START_PAUSE_MAX_MS;
    int r = tell_caller(m, m->container.failure, e);
    if (r == 0)
        r = supervise_pause(&m->container.process, &options, pause, e);
    return r == 0 ? stop_waiting(m, e) : r;
}

static int try_to_begin(struct monitor *m, struct err *e)
{
    int r = look_before(m, e);
    if (r == 0 && sandbox_has_ports(m->sandbox) && (r = lock_and_clean_up(m, e)) >= 0) {
        close_fd(r);
        r = 0;
    }
    if (r == 0) /* with the ports of this attempt */
        r = container_save_definition(&m->container, e);
    return r == 0 ? begin(m, e) : r;
}

static int run_patiently(struct monitor *m, struct err *e)
{
    _cleanup_free_ char *reason = NULL;
    int r = monitor_claim(m, e);
    if (r < 0)
        return r;
    become_monitor(m);
    for (unsigned times = 0;; times++) {
        _cleanup_err_ struct err failure = ERR_INIT, ignored = ERR_INIT;
        if (try_to_begin(m, &failure) == 0) {
            free(take_ptr(m->container.failure)); /* it waits no more: record_waits() */
            return run_to_end(m, e);
        }
        engine_explain(m->engine, failure.code, &failure);
        r = step_back(m, &failure, e);
        if (r > 0)
            release_helpers(m);
        if (r != 0)
            return r < 0 ? r : 0;
        note_reason(m, &reason);
        r = wait_for_turn(m, times, e);
        if (r != 0) {
            if (r < 0)
                know_name(m);
            (void)leave(m, true, m->container.exit_status, &ignored);
            return r < 0 ? r : 0;
        }
    }
}

int engine_run(struct engine *engine, struct run_request *request, struct err *e)
{
    _cleanup_loop_ struct loop *loop = NULL;
    int r = loop_new(&loop, e);
    if (r < 0)
        return r;
    struct monitor m = monitor_new(engine, request, loop);
    r = request->patient ? run_patiently(&m, e) : run_once(&m, e);
    if (r < 0)
        engine_explain(engine, r, e);
    monitor_clear(&m);
    return r;
}
