/* Waiting for the end of a container: its monitor is the last of its processes.
 *
 * The exit status is then in its definition. Where that is gone, after --rm or `rm`, or where the container runs again, the
 * event "die" tells it.
 */
#include "internal.h"

#include <errno.h>
#include <time.h>

enum { LINGER_TRIES = 500 }; /* of 10 ms */

struct death {
    const char *id;
    int status; /* of the last one; -1: none */
};

static void look_for_death(const json_t *event, void *arg)
{
    struct death *d = arg;
    if (streq(json_str(event, "id"), d->id) && streq(json_str(event, "event"), "die"))
        d->status = (int)json_int(event, "exit_code", EXIT_NETCTR);
}

static int status_of_event(struct engine *engine, const struct record *r, int *status,
                           struct err *e)
{
    struct death d = {r->spec.id, -1};
    int code = engine_events(engine, false, 0, -1, look_for_death, &d, e);
    if (code == 0 && d.status < 0)
        return err_say(e, -ENOENT,
                       "container `%s` is gone, and nothing tells its exit status: its program "
                       "may never have run",
                       r->spec.name);
    *status = d.status;
    return code;
}

/* Does the record still name the monitor that has died? The processes that it leaves hold its lock, too, and die a moment
 * after it; only then can a command clean up. */
static bool lingers(const struct record *now, const struct record *r)
{
    return now->status != STATUS_EXITED && now->status != STATUS_DEAD &&
           now->monitor == r->monitor && now->monitor_start == r->monitor_start;
}

/* Finds a container whose monitor has ended. If that was killed, this cleans up after it. */
static int find_ended(struct engine *engine, const struct record *r, struct record *now,
                      struct err *e)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    int code = 0;
    for (int tries = 0; tries < LINGER_TRIES; tries++) {
        record_clear(now);
        code = engine_find_again(engine, r, now, e);
        if (code < 0 || !lingers(now, r))
            break;
        nanosleep(&moment, NULL);
    }
    return code;
}

int engine_wait(struct engine *engine, const struct record *r, int *status, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    *status = r->exit_status;
    if (r->status == STATUS_EXITED)
        return 0;
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    int code = monitor < 0 ? monitor : pidfd_wait(monitor, -1);
    if (code < 0 && code != -ESRCH)
        return err_set(e, code, "wait for container `%s`", r->spec.name);
    code = find_ended(engine, r, &now, e);
    if (code < 0 && code != -ENOENT)
        return code;
    err_clear(e);
    if (code < 0 || now.status != STATUS_EXITED)
        return status_of_event(engine, r, status, e);
    *status = now.exit_status;
    return 0;
}
