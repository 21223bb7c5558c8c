/* A container's whole life, and the one place where its two halves meet: core's process and bridge's
 * endpoint.
 *
 *     look before → claim → create → attach (while the child mounts) → start → watch over → leave
 *
 * With a restart policy the program begins anew on the endpoint that it had: its address stays, and
 * its ports are never free for others, as a pod's in Kubernetes.
 */
#include "control.h"
#include "living.h"

#include <errno.h>
#include <string.h>

/* Each life asks for its ports again, so ephemeral ones may change. */
static int take_ports(struct living *l, struct err *e)
{
    int r = 0;
    strv_each (text, living_spec(l)->publish)
        if (r == 0)
            r = publish_parse(text, &l->life->publishes, e);
    return r;
}

/* Everything that can be refused is refused here, before anything is made. */
static int look_before(struct living *l, struct err *e)
{
    /* The caller's, before ports are held. */
    struct ulimits *ulimits = &living_spec(l)->ulimits;
    int r = ulimits->known ? 0 : ulimits_read(ulimits, e);
    if (r == 0)
        r = caller_forget(e);
    if (r == 0)
        r = hub_new(&l->hub, e);
    if (r == 0)
        r = join_network(l, e);
    if (r == 0 && living_spec(l)->networks)
        r = world_bridge(l->world, &l->bridge, e);
    if (r == 0)
        r = plugs_prepare(l, e);
    if (r == 0 && l->life->existing)
        r = take_ports(l, e);
    if (r == 0)
        r = ports_open(l, e);
    if (r == 0)
        holdings_describe(l);
    return r;
}

/* The store's lock. Whose ports we could take is dead, but may not be buried: its rules must not be taken for
 * ours. */
static int lock_and_bury(struct living *l, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&l->world->store, e);
    int r = lock < 0 || !l->holdings ? 0 : world_repair(l->world, &gc_quietly, e);
    return r < 0 ? r : take_fd(lock);
}

static int claim(struct living *l, struct err *e)
{
    _cleanup_close_ int lock = lock_and_bury(l, e);
    if (lock < 0)
        return lock;
    return (l->life->existing ? container_reclaim : container_claim)(
        &l->world->store, &l->life->spec, &l->container, e);
}

static int raise_loopback(struct rt *inside, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_up(batch, 1);
    return rt_commit(batch, e);
}

/* The network, while the child mounts. "none" is a namespace with nothing but loopback. */
static int attach(struct living *l, struct err *e)
{
    if (l->container.spec.network_mode == NETWORK_HOST)
        return 0;
    if (l->netns >= 0) /* another's */
        return container_join_netns(&l->container, l->netns, e);
    _cleanup_rt_ struct rt *inside = NULL;
    if (l->plug_count) {
        int prepared = helpers_prepare(l->world, &l->seed, e);
        if (prepared < 0)
            return prepared;
    }
    bool ipv6 = plugs_ipv6(l);
    l->born = ipv6 ? BORN_WITH_IPV6 : BORN_WITHOUT_IPV6;
    int r = netns_create(&l->netns, &inside, network_sysctls(ipv6), e);
    if (r == 0)
        r = container_join_netns(&l->container, l->netns, e);
    const struct plug *gateway = plugs_gateway(l);
    for (size_t i = 0; r == 0 && i < l->plug_count; i++)
        r = plug_in(l, &l->plugs[i], inside,
                    &l->plugs[i] == gateway && l->holdings ? &l->holdings->publishes : NULL, e);
    return r == 0 && l->plug_count == 0 ? raise_loopback(inside, e) : r;
}

/* A program does not end, nor stay away, because somebody keeps the lock for long: whoever looks after it
 * has nothing else to do. */
static int lock_patiently(struct living *l, struct err *e)
{
    int lock = store_lock(&l->world->store, e);
    if (lock == -ETIMEDOUT && e)
        container_note(&l->container, e->text);
    while (lock == -ETIMEDOUT) {
        err_clear(e);
        lock = store_lock(&l->world->store, e);
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
static int decide(struct living *l, int status, bool *again, struct err *e)
{
    struct container *c = &l->container;
    _cleanup_close_ int lock = lock_patiently(l, e);
    if (lock < 0)
        return lock;
    int asked = is_to_end(c, e);
    if (asked < 0)
        return asked;
    *again = !asked && restart_wanted(&c->spec.restart, status, c->restarts);
    return *again ? container_set_restarting(c, true, status, e) : 0;
}

/* 1: somebody has asked that it end. */
static int begin_anew(struct living *l, struct err *e)
{
    struct container *c = &l->container;
    _cleanup_close_ int lock = lock_patiently(l, e);
    int r = lock < 0 ? lock : is_to_end(c, e);
    if (r != 0)
        return r;
    c->restarts++;
    free(take_ptr(c->failure));
    r = container_set_restarting(c, false, c->exit_status, e);
    close_fd(take_fd(lock));
    if (r == 0)
        r = container_create(c, e);
    if (r == 0 && l->netns >= 0)
        r = container_join_netns(c, l->netns, e);
    if (r == 0)
        r = write_files(l, e);
    return r == 0 ? container_start(c, e) : r;
}

/* What a start that failed counts as: the program's end, with this status. */
static int failed_start(struct living *l, struct err *e)
{
    struct container *c = &l->container;
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
static int run_on(struct living *l, const struct monitor_options *options, struct err *e)
{
    struct container *c = &l->container;
    unsigned in_a_row = 0;
    int64_t began = monotonic_ms();
    int status = monitor_run(c, options, e);
    for (bool again = true; status >= 0;) {
        in_a_row = began && monotonic_ms() - began >= GOOD_RUN_MS ? 1 : in_a_row + 1;
        int r = decide(l, status, &again, e);
        if (r < 0 || !again)
            return r < 0 ? r : status;
        r = container_rest(c, e);
        if (r == 0)
            r = monitor_pause(c, options, restart_delay_ms(in_a_row - 1), e);
        if (r < 0)
            return r;
        r = begin_anew(l, e);
        if (r > 0)
            return status;
        began = r == 0 ? monotonic_ms()
                       : 0; /* what has not begun was no good run, however long it took */
        status = r == 0 ? monitor_run(c, options, e) : failed_start(l, e);
    }
    return status;
}

static void serve_control(void *living)
{
    struct living *l = living;
    control_serve(l->control, change_network, l);
}

static int watch_ports(struct living *l, struct err *e)
{
    struct plug *gateway = plugs_gateway(l);
    for (struct holding *h = l->holdings; h; h = h->next) {
        int r = holding_serve(l, h, &gateway->endpoint, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool on_a_bridge(const struct living *l)
{
    return l->plug_count || streq(l->container.spec.network, "none");
}

/* Tells the caller, once, that the program runs (@waits NULL), or why it does not run yet. */
static int tell_caller(struct living *l, const char *waits, struct err *e)
{
    int r = l->life->started && !l->begun ? l->life->started(waits, l->life->arg) : 0;
    if (r < 0)
        return err_set(e, r, "tell the caller that the container %s", waits ? "waits" : "runs");
    l->begun = true;
    return 0;
}

/* What the monitor watches for the network: what reaches the held ports, whether there are helpers, and who asks
 * for a change. */
static int watch_over(struct living *l, struct err *e)
{
    struct container *c = &l->container;
    struct watch watch = {hub_fd(l->hub), hub_run, l->hub};
    struct monitor_options options = {
        .attached = !c->spec.detached, .watches = &watch, .watch_count = 1};
    int r = watch_ports(l, e);
    if (r == 0)
        r = seed_watch(l, e);
    if (r == 0)
        r = watch_names(l, e);
    if (r == 0 && l->control >= 0)
        r = hub_add(l->hub, l->control, serve_control, l, e);
    if (r < 0)
        return r;
    /* Only now: what fails after this, nobody is told. */
    r = tell_caller(l, NULL, e);
    return r < 0 ? r : run_on(l, &options, e);
}

/* For the way back. Whoever runs it attached is told the truth rather than kept waiting. */
static int lock_to_leave(struct living *l, struct err *e)
{
    return l->container.spec.detached ? lock_patiently(l, e) : store_lock(&l->world->store, e);
}

/* Under the lock that a reload holds from reading the records to committing the rules: what is taken
 * from the firewall after this stays away. */
static int mark_leaving(struct living *l, struct err *e)
{
    _cleanup_close_ int lock = lock_to_leave(l, e);
    if (lock < 0)
        return lock;
    int r = container_mark(l->container.run_fd, MARK_LEAVING);
    return r < 0 && r != -ENOENT ? err_set(e, r, "mark the container as ending") : 0;
}

/* Nobody is served from here on. The ports stay held until their rules are gone. */
static void stop_serving(struct living *l)
{
    if (l->control >= 0)
        hub_remove(l->hub, l->control);
    l->control = close_fd(l->control);
    for (struct holding *h = l->holdings; h; h = h->next)
        holding_stop(l, h);
    flows_unwatch(l);
    unwatch_names(l);
    seed_unwatch(l);
}

/* The last one ends what is left of helpers that do not end by themselves. */
static void release_helpers(struct living *l)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (helpers_work(l->world, NULL))
        return;
    _cleanup_close_ int lock = store_lock(&l->world->store, &e);
    if (lock >= 0 && helpers_release(l->world, &e) < 0)
        warn("%s", e.text);
}

/* The host's ends of its links, to be looked after when the namespace is let go of. */
static struct link *find_links(struct living *l, size_t *count)
{
    struct link *links = xcalloc(l->plug_count + 1, sizeof(*links));
    *count = 0;
    for (size_t i = 0; i < l->plug_count; i++)
        if (endpoint_find_link(l->bridge, &l->plugs[i].endpoint, &links[*count]))
            (*count)++;
    return links;
}

/* The way back, but for the name; also after a start that failed half-way. The first failure is reported. */
static int undo(struct living *l, bool keep, int status, struct err *e)
{
    struct container *c = &l->container;
    _cleanup_err_ struct err step = ERR_INIT;
    stop_serving(l);
    if (keep && container_note_end(c, status, &step) < 0)
        (void)container_remember_end(c, status, &step);
    size_t link_count;
    _cleanup_free_ struct link *links = find_links(l, &link_count);
    int result = l->bridge ? mark_leaving(l, e) : 0;
    if (result == 0)
        result = world_detach(l->world, c, true, false, e);
    /* Before the name goes: who sees the container gone may have its ports. */
    while (result == 0 && l->holdings)
        holding_close(l, l->holdings);
    /* Late: from here on the kernel takes the namespace apart, and would keep us waiting for its lock. */
    l->netns = close_fd(l->netns);
    if (link_count)
        links_retire(l->bridge, links, link_count, helpers_work(l->world, NULL));
    int r = container_end(c, keep, status, &step);
    err_note(&result, r, e, &step);
    return result;
}

static int leave(struct living *l, bool keep, int status, struct err *e)
{
    _cleanup_err_ struct err step = ERR_INIT;
    int result = undo(l, keep, status, e), r = 0;
    /* What could not be undone keeps its records: the next command tries again. */
    if (result == 0) {
        _cleanup_close_ int lock = lock_to_leave(l, &step);
        r = lock < 0 ? lock : container_vanish(&l->container, keep, &step);
    }
    err_note(&result, r, e, &step);
    store_empty_trash(&l->world->store);
    if (result != -ETIMEDOUT) /* nobody waits for that lock twice */
        release_helpers(l);
    return result;
}

static void become_monitor(const struct living *l)
{
    oom_score_of_monitor();
    _cleanup_free_ char *title = xasprintf("netctr monitor of %s", l->container.spec.name);
    proc_set_title(title);
}

/* From the claim to a program that runs. */
static int begin(struct living *l, struct err *e)
{
    int r;
    if ((r = container_create(&l->container, e)) < 0 || (r = attach(l, e)) < 0 ||
        (r = write_files(l, e)) < 0 ||
        (on_a_bridge(l) && (r = l->control = control_listen(l->container.run_fd, e)) < 0))
        return r;
    return container_start(&l->container, e);
}

/* From a program that runs to its end. */
static int live_on(struct living *l, struct err *e)
{
    int status = watch_over(l, e);
    if (status < 0) { /* whoever ran it in the background has gone */
        container_note(&l->container, e->text);
        container_kill(&l->container);
    }
    _cleanup_err_ struct err trouble = ERR_INIT;
    bool keep = l->begun ? !l->container.spec.auto_remove : l->container.existing;
    if (leave(l, keep, status < 0 ? EXIT_NETCTR : status, &trouble) < 0)
        warn("%s (the next command tries again)", trouble.text);
    l->life->oom_killed = l->container.oom_killed;
    if (status == 0 && l->container.output_failed)
        return EXIT_NETCTR; /* the program does not know that its output is lost */
    return status;
}

static int live(struct living *l, struct err *e)
{
    int r;
    if ((r = look_before(l, e)) < 0 || (r = claim(l, e)) < 0)
        return r;
    become_monitor(l);
    if ((r = begin(l, e)) < 0) {
        _cleanup_err_ struct err ignored = ERR_INIT;
        container_kill(&l->container);
        (void)leave(l, l->container.existing, e->status ? e->status : EXIT_NETCTR, &ignored);
        return r;
    }
    return live_on(l, e);
}

/* ---- one that waits ---------------------------------------------------------------------------
 *
 * After a reboot, what a container needs may come later: an address, a disk, the container whose network it
 * shares. Its monitor then tries again. Meanwhile the container counts as restarting: `ps` shows it so, and `stop`
 * ends it. The name is claimed all the time, so that no request to end it is lost.
 */

enum { START_PAUSE_MAX_MS = 10000 }; /* the user has provided what was missing, and waits */

static int claim_again(struct living *l, struct spec *spec, int status, const char *why,
                       struct err *e)
{
    struct container *c = &l->container;
    int r = container_reclaim(&l->world->store, spec, c, e);
    if (r < 0)
        return r;
    c->failure = xstrdup(why);
    r = container_set_restarting(c, true, status, e);
    return r == 0 ? monitor_listen(c, e) : r;
}

/* Undoes what the failed start has made, and claims the container again under the same lock. Returns 1 if somebody
 * has asked for its end: then it has ended. */
static int step_back(struct living *l, const struct err *failure, struct err *e)
{
    const int status = failure->status ? failure->status : EXIT_NETCTR;
    _cleanup_free_ char *why = err_line(failure);
    container_kill(&l->container);
    int r = undo(l, true, status, e);
    _cleanup_close_ int lock = r < 0 ? r : lock_patiently(l, e);
    int asked = lock < 0 ? lock : is_to_end(&l->container, e);
    if (asked > 0) { /* which may have come after the end was written down */
        l->container.noted = false;
        (void)container_note_end(&l->container, status, NULL);
    }
    r = asked < 0 ? asked : container_vanish(&l->container, true, e);
    if (r < 0 || asked)
        return r < 0 ? r : 1;
    _cleanup_spec_ struct spec spec = l->container.spec;
    l->container.spec = (struct spec){0};
    bool begun = l->begun;
    living_clear(l);
    *l = living_new(l->world, l->life);
    l->begun = begun;
    return claim_again(l, &spec, status, why, e);
}

/* The pause is over. Returns 1 if somebody has asked meanwhile for the end of the container. Its networks may have
 * been changed as well: the next attempt, and the definition that it leaves, have them. */
static int stop_waiting(struct living *l, struct err *e)
{
    struct container *c = &l->container;
    _cleanup_close_ int lock = lock_patiently(l, e);
    int r = lock < 0 ? lock : container_reread(c, e);
    int asked = r < 0 ? r : is_to_end(c, e);
    return asked ? asked : container_set_restarting(c, false, c->exit_status, e);
}

/* The log has each reason once, not once for each attempt. */
static void note_reason(struct living *l, char **last)
{
    const char *why = l->container.failure;
    if (!streq(why, *last))
        container_note(&l->container, why);
    free(*last);
    *last = xstrdup(why);
}

static int wait_for_turn(struct living *l, unsigned times, struct err *e)
{
    const struct monitor_options options = {0};
    int pause = restart_delay_ms(times);
    pause = pause < START_PAUSE_MAX_MS ? pause : START_PAUSE_MAX_MS;
    int r = tell_caller(l, l->container.failure, e);
    if (r == 0)
        r = monitor_pause(&l->container, &options, pause, e);
    return r == 0 ? stop_waiting(l, e) : r;
}

static int try_to_begin(struct living *l, struct err *e)
{
    int r = look_before(l, e);
    if (r == 0 && l->holdings && (r = lock_and_bury(l, e)) >= 0) {
        close_fd(r);
        r = 0;
    }
    if (r == 0) /* its ports are this attempt's */
        r = container_save_definition(&l->container, e);
    return r == 0 ? begin(l, e) : r;
}

static int live_patiently(struct living *l, struct err *e)
{
    _cleanup_free_ char *reason = NULL;
    int r = claim(l, e);
    if (r < 0)
        return r;
    become_monitor(l);
    for (unsigned times = 0;; times++) {
        _cleanup_err_ struct err failure = ERR_INIT, ignored = ERR_INIT;
        if (try_to_begin(l, &failure) == 0)
            return live_on(l, e);
        world_explain(l->world, failure.code, &failure);
        r = step_back(l, &failure, e);
        if (r > 0)
            release_helpers(l);
        if (r != 0)
            return r < 0 ? r : 0;
        note_reason(l, &reason);
        r = wait_for_turn(l, times, e);
        if (r != 0) {
            (void)leave(l, true, l->container.exit_status, &ignored);
            return r < 0 ? r : 0;
        }
    }
}

int world_live(struct world *w, struct life *life, struct err *e)
{
    struct living l = living_new(w, life);
    int r = life->patient ? live_patiently(&l, e) : live(&l, e);
    if (r < 0)
        world_explain(w, r, e);
    living_clear(&l);
    return r;
}
