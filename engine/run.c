/* A container's whole life, and the one place where its two halves meet: core's process and bridge's
 * endpoint.
 *
 *     look before → claim → create → attach (while the child mounts) → start → watch over → leave
 *
 * With a restart policy the program begins anew on the endpoint that it had: its address stays, and
 * its ports are never free for others, as a pod's in Kubernetes.
 */
#include "control.h"
#include "monitor.h"

#include <errno.h>
#include <string.h>

/* Each life asks for its ports again, so ephemeral ones may change. */
static int take_ports(struct monitor *m, struct err *e)
{
    int r = 0;
    strv_each (text, monitor_spec(m)->publish)
        if (r == 0)
            r = port_mapping_parse(text, &m->request->port_mappings, e);
    return r;
}

/* Everything that can be refused is refused here, before anything is made. */
static int look_before(struct monitor *m, struct err *e)
{
    /* The caller's, before ports are held. */
    struct ulimits *ulimits = &monitor_spec(m)->ulimits;
    int r = ulimits->known ? 0 : ulimits_read(ulimits, e);
    if (r == 0)
        r = caller_reset(e);
    if (r == 0)
        r = hub_new(&m->hub, e);
    if (r == 0)
        r = join_network(m, e);
    if (r == 0 && monitor_spec(m)->networks)
        r = engine_net(m->engine, &m->net, e);
    if (r == 0)
        r = attachments_prepare(m, e);
    if (r == 0 && m->request->existing)
        r = take_ports(m, e);
    if (r == 0)
        r = ports_open(m, e);
    if (r == 0)
        bindings_describe(m);
    return r;
}

/* The store's lock. Whose ports we could take is dead, but may not be buried: its rules must not be taken for
 * ours. */
static int lock_and_bury(struct monitor *m, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&m->engine->store, e);
    int r = lock < 0 || !m->bindings ? 0 : engine_repair(m->engine, &gc_quietly, e);
    return r < 0 ? r : take_fd(lock);
}

static int claim(struct monitor *m, struct err *e)
{
    _cleanup_close_ int lock = lock_and_bury(m, e);
    if (lock < 0)
        return lock;
    return (m->request->existing ? container_restart_claim : container_claim)(
        &m->engine->store, &m->request->spec, &m->container, e);
}

static int raise_loopback(struct rt *inside, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_up(batch, 1);
    return rt_commit(batch, e);
}

/* The network, while the child mounts. "none" is a namespace with nothing but loopback. */
static int attach(struct monitor *m, struct err *e)
{
    if (m->container.spec.network_mode == NETWORK_HOST)
        return 0;
    if (m->netns >= 0) /* another's */
        return process_join_netns(&m->container.process, m->netns, e);
    _cleanup_rt_ struct rt *inside = NULL;
    if (m->attachment_count) {
        int prepared = helpers_prepare(m->engine, &m->seed, e);
        if (prepared < 0)
            return prepared;
    }
    bool ipv6 = attachments_ipv6(m);
    m->born = ipv6 ? BORN_WITH_IPV6 : BORN_WITHOUT_IPV6;
    int r = netns_create(&m->netns, &inside, network_sysctls(ipv6), e);
    if (r == 0)
        r = process_join_netns(&m->container.process, m->netns, e);
    const struct attachment *gateway = attachments_gateway(m);
    for (size_t i = 0; r == 0 && i < m->attachment_count; i++)
        r = attachment_connect(
            m, &m->attachments[i], inside,
            &m->attachments[i] == gateway && m->bindings ? &m->bindings->port_mappings : NULL, e);
    return r == 0 && m->attachment_count == 0 ? raise_loopback(inside, e) : r;
}

/* A program does not end, nor stay away, because somebody keeps the lock for long: whoever looks after it
 * has nothing else to do. */
static int lock_patiently(struct monitor *m, struct err *e)
{
    int lock = store_lock(&m->engine->store, e);
    if (lock == -ETIMEDOUT && e)
        container_note(&m->container, e->text);
    while (lock == -ETIMEDOUT) {
        err_clear(e);
        lock = store_lock(&m->engine->store, e);
    }
    return lock;
}

/* ---- the program's runs ----------------------------------------------------------------------*/

static int is_to_end(const struct container *c, struct err *e)
{
    int asked = container_end_asked(c);
    return asked < 0 ? err_set(e, asked, "look whether container `%s` is to end", c->spec.name)
                     : asked;
}

/* Does it begin anew? Decided under the lock under which `stop` leaves its word, as is what begin_anew() does:
 * it may have come in between. */
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

/* 1: somebody has asked that it end. */
static int begin_anew(struct monitor *m, struct err *e)
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
    if (r == 0 && m->netns >= 0)
        r = process_join_netns(&c->process, m->netns, e);
    if (r == 0)
        r = write_files(m, e);
    return r == 0 ? container_start(c, e) : r;
}

/* What a start that failed counts as: the program's end, with this status. */
static int failed_start(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    int status = e->status ? e->status : EXIT_NETCTR;
    free(c->failure);
    c->failure = err_line(e);
    container_note(c, c->failure);
    if (!c->spec.detached)
        fprintf(stderr, "netctr: %s\n", c->failure);
    container_kill(c);
    err_clear(e);
    return status;
}

enum { GOOD_RUN_MS = 10000 }; /* after one of these the pauses begin small again */

/* One run after the other, as long as the policy says. Returns the last one's exit status. */
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
        r = begin_anew(m, e);
        if (r > 0)
            return status;
        began = r == 0 ? monotonic_ms()
                       : 0; /* what has not begun was no good run, however long it took */
        status = r == 0 ? container_supervise(c, options, e) : failed_start(m, e);
    }
    return status;
}

static void serve_control(void *living)
{
    struct monitor *m = living;
    control_serve(m->control, change_network, m);
}

static int watch_ports(struct monitor *m, struct err *e)
{
    struct attachment *gateway = attachments_gateway(m);
    for (struct port_binding *h = m->bindings; h; h = h->next) {
        int r = binding_serve(m, h, &gateway->endpoint, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool on_a_bridge(const struct monitor *m)
{
    return m->attachment_count || streq(m->container.spec.network, "none");
}

/* Tells the caller, once, that the program runs (@waits NULL), or why it does not run yet. */
static int tell_caller(struct monitor *m, const char *waits, struct err *e)
{
    int r = m->request->started && !m->begun ? m->request->started(waits, m->request->arg) : 0;
    if (r < 0)
        return err_set(e, r, "tell the caller that the container %s", waits ? "waits" : "runs");
    m->begun = true;
    return 0;
}

/* What the monitor watches for the network: what reaches the held ports, whether there are helpers, and who asks
 * for a change. */
static int watch_over(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    struct watch watch = {hub_fd(m->hub), hub_run, m->hub};
    struct supervise_options options = {
        .attached = !c->spec.detached, .watches = &watch, .watch_count = 1};
    int r = watch_ports(m, e);
    if (r == 0)
        r = seed_watch(m, e);
    if (r == 0)
        r = watch_names(m, e);
    if (r == 0 && m->control >= 0)
        r = hub_add(m->hub, m->control, serve_control, m, e);
    if (r < 0)
        return r;
    /* Only now: what fails after this, nobody is told. */
    r = tell_caller(m, NULL, e);
    return r < 0 ? r : run_on(m, &options, e);
}

/* For the way back. Whoever runs it attached is told the truth rather than kept waiting. */
static int lock_to_leave(struct monitor *m, struct err *e)
{
    return m->container.spec.detached ? lock_patiently(m, e) : store_lock(&m->engine->store, e);
}

/* Under the lock that a reload holds from reading the records to committing the rules: what is taken
 * from the firewall after this stays away. */
static int mark_leaving(struct monitor *m, struct err *e)
{
    _cleanup_close_ int lock = lock_to_leave(m, e);
    if (lock < 0)
        return lock;
    int r = container_mark(m->container.run_fd, MARK_LEAVING);
    return r < 0 && r != -ENOENT ? err_set(e, r, "mark the container as ending") : 0;
}

/* Nobody is served from here on. The ports stay held until their rules are gone. */
static void stop_serving(struct monitor *m)
{
    if (m->control >= 0)
        hub_remove(m->hub, m->control);
    m->control = close_fd(m->control);
    for (struct port_binding *h = m->bindings; h; h = h->next)
        binding_stop(m, h);
    flows_unwatch(m);
    unwatch_names(m);
    seed_unwatch(m);
}

/* The last one ends what is left of helpers that do not end by themselves. */
static void release_helpers(struct monitor *m)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (helpers_work(m->engine, NULL))
        return;
    _cleanup_close_ int lock = store_lock(&m->engine->store, &e);
    if (lock >= 0 && helpers_release(m->engine, &e) < 0)
        warn("%s", e.text);
}

/* The host's ends of its links, to be looked after when the namespace is let go of. */
static struct link *find_links(struct monitor *m, size_t *count)
{
    struct link *links = xcalloc(m->attachment_count + 1, sizeof(*links));
    *count = 0;
    for (size_t i = 0; i < m->attachment_count; i++)
        if (endpoint_find_link(m->net, &m->attachments[i].endpoint, &links[*count]))
            (*count)++;
    return links;
}

/* The way back, but for the name; also after a start that failed half-way. The first failure is reported. */
static int undo(struct monitor *m, bool keep, int status, struct err *e)
{
    struct container *c = &m->container;
    _cleanup_err_ struct err step = ERR_INIT;
    stop_serving(m);
    if (keep && container_note_end(c, status, &step) < 0)
        (void)container_remember_end(c, status, &step);
    size_t link_count;
    _cleanup_free_ struct link *links = find_links(m, &link_count);
    int result = m->net ? mark_leaving(m, e) : 0;
    if (result == 0)
        result = engine_detach(m->engine, c, true, false, e);
    /* Before the name goes: who sees the container gone may have its ports. */
    while (result == 0 && m->bindings)
        binding_close(m, m->bindings);
    /* Late: from here on the kernel takes the namespace apart, and would keep us waiting for its lock. */
    m->netns = close_fd(m->netns);
    if (link_count)
        links_retire(m->net, links, link_count, helpers_work(m->engine, NULL));
    int r = container_end(c, keep, status, &step);
    err_note(&result, r, e, &step);
    return result;
}

static int leave(struct monitor *m, bool keep, int status, struct err *e)
{
    _cleanup_err_ struct err step = ERR_INIT;
    int result = undo(m, keep, status, e), r = 0;
    /* What could not be undone keeps its records: the next command tries again. */
    if (result == 0) {
        _cleanup_close_ int lock = lock_to_leave(m, &step);
        r = lock < 0 ? lock : container_release_name(&m->container, keep, &step);
    }
    err_note(&result, r, e, &step);
    store_empty_trash(&m->engine->store);
    if (result != -ETIMEDOUT) /* nobody waits for that lock twice */
        release_helpers(m);
    return result;
}

static void become_monitor(const struct monitor *m)
{
    oom_score_of_monitor();
    _cleanup_free_ char *title = xasprintf("netctr monitor of %s", m->container.spec.name);
    proc_set_title(title);
}

/* From the claim to a program that runs. */
static int begin(struct monitor *m, struct err *e)
{
    int r;
    if ((r = container_create(&m->container, e)) < 0 || (r = attach(m, e)) < 0 ||
        (r = write_files(m, e)) < 0 ||
        (on_a_bridge(m) && (r = m->control = control_listen(m->container.run_fd, e)) < 0))
        return r;
    return container_start(&m->container, e);
}

/* From a program that runs to its end. */
static int live_on(struct monitor *m, struct err *e)
{
    int status = watch_over(m, e);
    if (status < 0) { /* whoever ran it in the background has gone */
        container_note(&m->container, e->text);
        container_kill(&m->container);
    }
    _cleanup_err_ struct err trouble = ERR_INIT;
    bool keep = m->begun ? !m->container.spec.auto_remove : m->container.existing;
    if (leave(m, keep, status < 0 ? EXIT_NETCTR : status, &trouble) < 0)
        warn("%s (the next command tries again)", trouble.text);
    m->request->oom_killed = m->container.oom_killed;
    if (status == 0 && m->container.process.output_failed)
        return EXIT_NETCTR; /* the program does not know that its output is lost */
    return status;
}

static int live(struct monitor *m, struct err *e)
{
    int r;
    if ((r = look_before(m, e)) < 0 || (r = claim(m, e)) < 0)
        return r;
    become_monitor(m);
    if ((r = begin(m, e)) < 0) {
        _cleanup_err_ struct err ignored = ERR_INIT;
        container_kill(&m->container);
        (void)leave(m, m->container.existing, e->status ? e->status : EXIT_NETCTR, &ignored);
        return r;
    }
    return live_on(m, e);
}

/* ---- one that waits ---------------------------------------------------------------------------
 *
 * After a reboot, what a container needs may come later: an address, a disk, the container whose network it
 * shares. Its monitor then tries again. Meanwhile the container counts as restarting: `ps` shows it so, and `stop`
 * ends it. The name is claimed all the time, so that no request to end it is lost.
 */

enum { START_PAUSE_MAX_MS = 10000 }; /* the user has provided what was missing, and waits */

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

/* Undoes what the failed start has made, and claims the container again under the same lock. Returns 1 if somebody
 * has asked for its end: then it has ended. */
static int step_back(struct monitor *m, const struct err *failure, struct err *e)
{
    const int status = failure->status ? failure->status : EXIT_NETCTR;
    _cleanup_free_ char *why = err_line(failure);
    container_kill(&m->container);
    int r = undo(m, true, status, e);
    _cleanup_close_ int lock = r < 0 ? r : lock_patiently(m, e);
    int asked = lock < 0 ? lock : is_to_end(&m->container, e);
    if (asked > 0) { /* which may have come after the end was written down */
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
    *m = monitor_new(m->engine, m->request);
    m->begun = begun;
    return claim_again(m, &spec, status, why, e);
}

/* The pause is over. Returns 1 if somebody has asked meanwhile for the end of the container. Its networks may have
 * been changed as well: the next attempt, and the definition that it leaves, have them. */
static int stop_waiting(struct monitor *m, struct err *e)
{
    struct container *c = &m->container;
    _cleanup_close_ int lock = lock_patiently(m, e);
    int r = lock < 0 ? lock : container_reread(c, e);
    int asked = r < 0 ? r : is_to_end(c, e);
    return asked ? asked : container_set_restarting(c, false, c->exit_status, e);
}

/* The log has each reason once, not once for each attempt. */
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
    const struct supervise_options options = {0};
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
    if (r == 0 && m->bindings && (r = lock_and_bury(m, e)) >= 0) {
        close_fd(r);
        r = 0;
    }
    if (r == 0) /* its ports are this attempt's */
        r = container_save_definition(&m->container, e);
    return r == 0 ? begin(m, e) : r;
}

static int live_patiently(struct monitor *m, struct err *e)
{
    _cleanup_free_ char *reason = NULL;
    int r = claim(m, e);
    if (r < 0)
        return r;
    become_monitor(m);
    for (unsigned times = 0;; times++) {
        _cleanup_err_ struct err failure = ERR_INIT, ignored = ERR_INIT;
        if (try_to_begin(m, &failure) == 0)
            return live_on(m, e);
        engine_explain(m->engine, failure.code, &failure);
        r = step_back(m, &failure, e);
        if (r > 0)
            release_helpers(m);
        if (r != 0)
            return r < 0 ? r : 0;
        note_reason(m, &reason);
        r = wait_for_turn(m, times, e);
        if (r != 0) {
            (void)leave(m, true, m->container.exit_status, &ignored);
            return r < 0 ? r : 0;
        }
    }
}

int engine_run(struct engine *engine, struct run_request *request, struct err *e)
{
    struct monitor m = monitor_new(engine, request);
    int r = request->patient ? live_patiently(&m, e) : live(&m, e);
    if (r < 0)
        engine_explain(engine, r, e);
    monitor_clear(&m);
    return r;
}
