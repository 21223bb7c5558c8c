/* Stop, kill and remove. The monitor of the container cleans up, and the command waits for it; it does the work itself if
 * the monitor hangs.
 */
#include "control.h"
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

/* The program is dead and its monitor cleans up. A monitor that has been stopped (SIGSTOP), or hangs, is killed, and what
 * it held is cleaned up here. */
static int await_end(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    if (monitor < 0)
        return monitor == -ESRCH
                   ? 0
                   : err_set(e, monitor, "look at the monitor of container `%s`", r->spec.name);
    container_let_die(&engine->store, &r->spec);
    int left = 15000;
    for (; left > 0 && proc_state(r->monitor) != 'T'; left -= 100)
        if (pidfd_wait(monitor, 100) == 0)
            return 0;
    (void)pidfd_signal(monitor, SIGKILL);
    if (pidfd_wait(monitor, 5000) < 0)
        return err_say(e, -ETIMEDOUT, "container `%s` does not end", r->spec.name);
    int lock = store_lock(&engine->store, e);
    _cleanup_free_ char *name = store_name_now(&engine->store, &r->spec);
    int code = lock < 0 ? lock : engine_clear_if_dead(engine, name, e);
    close_fd(lock);
    store_empty_trash(&engine->store);
    return code < 0 ? code : 0;
}

/* Waits for the monitor to clean up: only then is the container gone for the next command. */
static int wait_for_end(const struct record *r, int timeout_ms)
{
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    if (monitor < 0)
        return monitor == -ESRCH ? 0 : monitor;
    return pidfd_wait(monitor, timeout_ms);
}

int engine_signal(const struct record *r, int sig, struct err *e)
{
    _cleanup_close_ int init = pidfd_of(r->pid, r->pid_start);
    int code = init < 0 ? init : pidfd_signal(init, sig);
    return code == -ESRCH || code == 0 ? 0
                                       : err_set(e, code, "signal container `%s`", r->spec.name);
}

/* A frozen program gets the signal when it is thawed. */
static int signal_and_thaw(struct engine *engine, const struct record *r, int sig, struct err *e)
{
    int code = engine_signal(r, sig, e);
    return code == 0 ? container_thaw(&engine->store, &r->spec, e) : code;
}

/* Between two runs there is no program, only the monitor. */
static int end_restarting(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    if (monitor == -ESRCH)
        return 0;
    int code = monitor < 0 ? monitor : pidfd_signal(monitor, SIGTERM);
    if (code < 0 && code != -ESRCH)
        return err_set(e, code, "signal the monitor of container `%s`", r->spec.name);
    return await_end(engine, r, e);
}

uint64_t stop_seconds(uint64_t seconds, const struct spec *s)
{
    return seconds == STOP_AS_DEFINED ? spec_stop_seconds(s) : seconds;
}

static int stop_record(struct engine *engine, const struct record *r, uint64_t wanted,
                       struct err *e)
{
    const uint64_t seconds = stop_seconds(wanted, &r->spec);
    if (r->status == STATUS_RESTARTING)
        return end_restarting(engine, r, e);
    if (r->status != STATUS_RUNNING)
        return 0;
    int code = signal_and_thaw(engine, r, seconds ? spec_stop_signal(&r->spec) : SIGKILL, e);
    int patience = seconds == STOP_NEVER_KILLS ? -1 : (int)seconds * 1000;
    if (code == 0 && seconds && wait_for_end(r, patience) == 0)
        return 0;
    if (code == 0)
        code = signal_and_thaw(engine, r, SIGKILL, e);
    return code == 0 ? await_end(engine, r, e) : code;
}

int engine_settle(struct engine *engine, const struct record *r, bool ends, struct record *now,
                  struct err *e)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int64_t stopped = 0;
    for (int tries = 0; tries < 2000; tries++) {
        record_clear(now);
        int code = engine_find_again(engine, r, now, e);
        if (code < 0 || now->status != STATUS_CREATING)
            return code;
        if (proc_stays_stopped(now->monitor, &stopped) &&
            (code = ends ? await_end(engine, now, e) : monitor_is_stopped(now, e)) < 0)
            return code;
        nanosleep(&pause, NULL);
    }
    return err_say(e, -ETIMEDOUT, "container `%s` is still being created", r->spec.name);
}

int engine_ask_end(struct engine *engine, const struct record *r, enum mark mark,
                   struct record *now, struct err *e)
{
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int code = lock < 0 ? lock : engine_find_again_locked(engine, r, now, e);
    return code == 0 ? container_ask_end(&engine->store, now->spec.name, mark, e) : code;
}

/* What waits for the end reports failures. */
static void begin_end(struct engine *engine, const struct record *r, enum mark mark, int sig)
{
    _cleanup_record_ struct record now = {0};
    if (engine_ask_end(engine, r, mark, &now, NULL) == 0 && now.status == STATUS_RUNNING)
        (void)signal_and_thaw(engine, &now, sig, NULL);
}

void engine_begin_stop(struct engine *engine, const struct record *all, size_t count,
                       uint64_t seconds, enum mark mark)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].spec.name && all[i].status != STATUS_EXITED &&
            stop_seconds(seconds, &all[i].spec))
            begin_end(engine, &all[i], mark, spec_stop_signal(&all[i].spec));
}

void engine_begin_kill(struct engine *engine, const struct record *r, enum mark mark)
{
    if (r->status == STATUS_RUNNING)
        begin_end(engine, r, mark, SIGKILL);
}

int engine_stop(struct engine *engine, const struct record *r, enum mark mark, uint64_t seconds,
                struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = engine_ask_end(engine, r, mark, &now, e);
    if (code == 0 && now.status == STATUS_CREATING)
        code = engine_settle(engine, r, true, &now, e);
    if (code == 0)
        code = stop_record(engine, &now, seconds, e);
    else if (code == -ENOENT) { /* it has ended, and was started with --rm */
        err_clear(e);
        code = 0;
    }
    if (code == 0 && r->status != STATUS_EXITED)
        engine_event(engine, r, "stop", NULL);
    return code;
}

int engine_kill(struct engine *engine, const struct record *r, int sig, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    bool ends = sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGQUIT ||
                sig == spec_stop_signal(&r->spec);
    int code = ends ? engine_ask_end(engine, r, MARK_END_ASKED, &now, e)
                    : engine_find_again(engine, r, &now, e);
    bool begins = code == 0 && now.status == STATUS_CREATING;
    if (begins)
        code = engine_settle(engine, r, ends, &now, e);
    if (begins && ends && (code == -ENOENT || (code == 0 && now.status == STATUS_EXITED))) {
        err_clear(e); /* it ended before its program ran */
        return 0;
    }
    if (code < 0)
        return code;
    if (ends && now.status == STATUS_RESTARTING)
        return end_restarting(engine, &now, e);
    if (now.status != STATUS_RUNNING)
        return engine_not_running(&now, e);
    code = ends ? signal_and_thaw(engine, &now, sig, e) : engine_signal(&now, sig, e);
    if (code == 0)
        engine_event(engine, &now, "kill",
                     (const struct event_attribute[]){{"signal", NULL, sig}, {0}});
    return code == 0 && sig == SIGKILL ? await_end(engine, &now, e) : code;
}

/* ---- removal ---------------------------------------------------------------------------------*/

static int refuse_running(const struct record *r, struct err *e)
{
    err_say(e, -EBUSY, "container `%s` is %s", r->spec.name, status_name(r->status));
    err_hint(e, "`netctr rm -f %s` ends it first", r->spec.name);
    return -EBUSY;
}

static int remove_locked(struct engine *engine, const struct record *r, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    _cleanup_free_ char *name = store_name_now(&engine->store, &r->spec);
    int code = lock < 0 ? lock : store_find_named(&engine->store, name, &now, e);
    if (code == -ENOENT || (code == 0 && !streq(now.spec.id, r->spec.id))) {
        err_clear(e);
        return 0;
    }
    /* Its exit record could not be written, on a full disk for example; it is not needed any more. */
    if (code == 0 && now.status == STATUS_DEAD)
        return engine_cleanup_dead(engine, name, true, e);
    if (code == 0 && now.status != STATUS_EXITED)
        return refuse_running(&now, e);
    if (code == 0 && (code = container_remove(&engine->store, name, &now.spec, e)) == 0)
        engine_event(engine, &now, "destroy", NULL);
    return code;
}

static int remove_ended(struct engine *engine, const struct record *r, struct err *e)
{
    int code = remove_locked(engine, r, e);
    if (!engine->keeps_trash)
        store_empty_trash(&engine->store);
    return code;
}

int engine_remove(struct engine *engine, const struct record *r, struct err *e)
{
    return r->status == STATUS_EXITED ? remove_ended(engine, r, e) : refuse_running(r, e);
}

static int end_and_remove(struct engine *engine, const struct record *given, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = engine_ask_end(engine, given, MARK_END_ASKED, &now, e);
    if (code == 0 && now.status == STATUS_CREATING)
        code = engine_settle(engine, given, true, &now, e);
    if (code == -ENOENT) { /* it failed to start */
        err_clear(e);
        return 0;
    }
    if (code == 0)
        code = stop_record(engine, &now, 0, e);
    /* With --rm its monitor has removed it, and another container may have the name by now. */
    bool gone = given->spec.auto_remove && given->status != STATUS_DEAD;
    return code < 0 || gone ? code : remove_ended(engine, given, e);
}

int engine_force_remove(struct engine *engine, const struct record *given, struct err *e)
{
    int code = given->status == STATUS_EXITED ? remove_ended(engine, given, e)
                                              : end_and_remove(engine, given, e);
    for (int tries = 0; code == -EBUSY && tries < 20;
         tries++) { /* another command has started it */
        err_clear(e);
        code = end_and_remove(engine, given, e);
    }
    return code;
}
