/* A container's process: the functions of netctr/core.h, together with what has to be recorded at each step.
 *
 * core/ gets a plan that points into the container's spec. What a process may have written to outlives it: the events
 * "start" and "die", and the state, which names the process before it runs.
 */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { EARLY_MS = 2000 }; /* no service ends before that */

/* ---- the plan --------------------------------------------------------------------------------*/

/* Made for every container, and written by the engine. */
static const struct plan_file etc_files[] = {
    {"hosts", "/etc/hosts"}, {"hostname", "/etc/hostname"}, {"resolv.conf", "/etc/resolv.conf"}};

struct plan spec_plan(const struct spec *s, const char *instance)
{
    return (struct plan){
        .name = s->name,
        .instance = instance,
        .id = s->id,
        .rootfs = s->rootfs,
        .in_place = s->in_place,
        .read_only = s->read_only,
        .interactive = s->interactive,
        .tty = s->tty,
        .init = s->init,
        .argv = s->argv,
        .env = s->env,
        .workdir = s->workdir,
        .user = s->user,
        .groups = s->groups,
        .umask = s->umask,
        .oom_score = s->oom_score,
        .hostname = s->hostname,
        .files = etc_files,
        .file_count = ARRAY_LEN(etc_files),
        .sysctls = s->sysctls,
        .limits = s->limits,
        .ulimits = s->ulimits,
        .caps = s->caps,
        .ambient_caps = s->ambient_caps,
        .namespaces = {[PLAN_USER] = {.how = NS_INHERIT},
                       [PLAN_NET] = {.how =
                                         s->network_mode == NETWORK_HOST ? NS_INHERIT : NS_LATER}},
        .ids = s->ids,
        .stop_signal = s->stop.signal,
        .log = s->log,
        .log_dir = -1,
    };
}

static void add_tmpfs(struct plan_mounts *m, const struct volume *v)
{
    unsigned flags = (v->read_only ? MOUNT_RDONLY : 0) | (v->suid ? 0 : MOUNT_NOSUID) |
                     (v->exec ? 0 : MOUNT_NOEXEC);
    strv *options = &plan_mounts_add(m, SOURCE_TYPE, "tmpfs", v->target, flags)->options;
    strv_add_take(options, xasprintf("mode=%o", v->mode ? v->mode & 07777 : 01777));
    strv_add_take(options, xasprintf("size=%" PRIu64, v->size));
    strv_add_take(options, xasprintf("nr_inodes=%" PRIu64, v->inodes));
    strv_add_take(options, xasprintf("uid=%u", v->uid));
    strv_add_take(options, xasprintf("gid=%u", v->gid));
}

static void size_shm(struct plan_mounts *m, uint64_t size)
{
    for (size_t i = 0; size && i < m->count; i++)
        for (char **o = m->list[i].options; streq(m->list[i].target, "/dev/shm") && o && *o; o++)
            if (skip_prefix(*o, "size=")) {
                free(*o);
                *o = xasprintf("size=%" PRIu64, size);
            }
}

static int by_target(const void *a, const void *b)
{
    const struct volume *const *first = a, *const *second = b;
    return strcmp((*first)->target, (*second)->target);
}

/* A lab's node is a router: its programs set what the network namespace has. Its user namespace owns that. */
static void open_sysctls(struct plan_mounts *m, const struct spec *s)
{
    if (s->network && skip_prefix(s->network, NETWORK_OF_SANDBOX) && !id_map_is_host(&s->ids))
        plan_mounts_add(m, SOURCE_TARGET, NULL, "/proc/sys/net", MOUNT_WRITABLE);
}

/* Parents before children, in any order that the user gave. */
static void add_volumes(struct plan_mounts *m, const struct spec *s)
{
    _cleanup_free_ const struct volume **sorted = xcalloc(s->volume_count + 1, sizeof(*sorted));
    for (size_t i = 0; i < s->volume_count; i++)
        sorted[i] = &s->volumes[i];
    qsort(sorted, s->volume_count, sizeof(*sorted), by_target);
    for (size_t i = 0; i < s->volume_count; i++)
        if (sorted[i]->source)
            plan_mounts_add(m, SOURCE_PATH, sorted[i]->source, sorted[i]->target,
                            (sorted[i]->read_only ? MOUNT_RDONLY : 0) |
                                (sorted[i]->host_ids ? MOUNT_HOST_IDS : 0));
        else
            add_tmpfs(m, sorted[i]);
}

void container_plan(struct container *c)
{
    plan_mounts_clear(&c->mounts);
    c->process.plan = spec_plan(&c->spec, c->instance ? c->instance : c->store->instance);
    c->process.plan.layers = c->layers;
    c->process.plan.mount_point = c->mount_point;
    c->process.plan.log_dir = c->dir_fd;
    c->process.plan.log_before = c->existing && c->restarts == 0;
}

/* ---- its life --------------------------------------------------------------------------------*/

static char *layers_of(const struct store *s, const struct spec *spec)
{
    return xasprintf("%s/containers/%s", s->root, spec->name);
}

static void find_places(struct container *c)
{
    free(c->layers);
    free(c->mount_point);
    c->layers = layers_of(c->store, &c->spec);
    c->mount_point = xasprintf("%s/containers/%s", c->store->run, c->spec.name);
}

/* What its process mounts has been mounted; the kernel does not look at the paths again. */
void container_renamed(struct container *c, const char *name)
{
    struct plan *plan = &c->process.plan;
    free(c->spec.name);
    c->spec.name = xstrdup(name);
    if (c->layers)
        find_places(c);
    plan->name = c->spec.name;
    plan->layers = c->layers;
    plan->mount_point = c->mount_point;
}

int container_create(struct container *c, struct err *e)
{
    find_places(c);
    container_plan(c);
    if (c->owner_fd >= 0)
        c->process.plan.namespaces[PLAN_USER] =
            (struct plan_namespace){.how = NS_JOIN, .fd = c->owner_fd};
    plan_default_mounts(&c->mounts);
    open_sysctls(&c->mounts, &c->spec);
    size_shm(&c->mounts, c->spec.shm_size);
    add_volumes(&c->mounts, &c->spec);
    c->process.plan.mounts = c->mounts.list;
    c->process.plan.mount_count = c->mounts.count;
    return process_create(&c->process, e);
}

int container_start(struct container *c, struct err *e)
{
    int r = process_await(&c->process, e);
    if (r < 0)
        return r;
    int64_t last = c->started;
    /* Written before it runs: if this monitor is killed from here on, the container counts as one that has run. */
    c->started = time(NULL);
    if (!c->started) /* the clock's first second; 0 means "not yet" */
        c->started = 1;
    r = container_save_state(c, e);
    if (r == 0)
        r = pid_file_write(c, e);
    if (r == 0)
        r = process_start(&c->process, e);
    if (r < 0) {
        c->started = last;
        c->process.channel = close_fd(c->process.channel);
        return r;
    }
    c->told_start = true;
    (void)container_mark(c->run_fd, MARK_STARTED);
    container_event(c, "start", NULL);
    return 0;
}

static int end_asked(void *container)
{
    return container_end_asked(container);
}

/* nginx, and many a service, goes to the background by itself: init ends, and with it the container, and no message
 * says why. The kernel does not tell what init has left behind, so a short job looks the same. */
static void note_early_end(struct container *c, int status, int64_t begin,
                           const struct client *client)
{
    c->ended_early =
        status == 0 && monotonic_ms() - begin < EARLY_MS && c->spec.restart.policy == RESTART_NO &&
        (c->spec.detached || strv_len(c->spec.published) > 0) && container_end_asked(c) == 0;
    _cleanup_free_ char *hint = c->ended_early ? spec_early_hint(&c->spec) : NULL;
    if (hint && client_is_here(client))
        warn("%s", hint);
}

int container_supervise(struct container *c, const struct supervise_options *options, struct err *e)
{
    const int64_t begin = monotonic_ms();
    struct supervise_options own = *options;
    own.end_asked = end_asked;
    own.arg = c;
    int status = supervise_run(&c->process, &own, e);
    if (status >= 0)
        note_early_end(c, status, begin, options->client);
    return status;
}

int container_reset(struct container *c, struct err *e)
{
    container_note_memory(c);
    pid_file_remove(c);
    int r = process_reset(&c->process, e);
    container_tell_death(c, c->exit_status);
    c->oom_killed = false;
    c->oom_kills = 0;
    return r;
}

void container_kill(struct container *c)
{
    container_plan(c);
    process_kill(&c->process);
}

void container_note(struct container *c, const char *text)
{
    process_note(&c->process, text);
}

/* The kernel counts the processes that it kills, and does not say which they were: a program that SIGKILL ended died
 * for want of memory only if its end was not asked for. */
void container_note_memory(struct container *c)
{
    const struct plan plan = spec_plan(&c->spec, c->instance ? c->instance : c->store->instance);
    uint64_t kills = plan_oom_kills(&plan);
    if (kills > c->oom_kills)
        c->oom_kills = kills;
    c->oom_killed = c->oom_kills > 0 && c->process.sigkilled && container_end_asked(c) == 0;
}

/* ---- events ----------------------------------------------------------------------------------*/

void container_event(const struct container *c, const char *name,
                     const struct event_attribute *attributes)
{
    const struct event event = {"container", name, c->spec.id, c->spec.name, c->spec.labels};
    event_emit(c->store->run_fd, &event, attributes);
}

/* Once for each run. If this process is killed in between, a later cleanup emits it again; the exit status was written
 * down before, so that both say the same. */
void container_tell_death(struct container *c, int exit_status)
{
    struct event_attribute attributes[4] = {{"exit_code", NULL, exit_status}};
    size_t count = 1;
    if (c->oom_killed)
        attributes[count++] = (struct event_attribute){"oom_killed", event_true, 0};
    if (c->oom_kills)
        attributes[count] = (struct event_attribute){"oom_kills", NULL, (int64_t)c->oom_kills};
    if (!c->told_start)
        return;
    container_event(c, "die", attributes);
    c->told_start = false;
    (void)container_unmark(c->run_fd, MARK_STARTED);
}

/* ---- of a container that runs ----------------------------------------------------------------*/

uint64_t container_oom_kills(const struct store *s, const struct spec *spec)
{
    const struct plan plan = spec_plan(spec, s->instance);
    return plan_oom_kills(&plan);
}

void container_let_die(const struct store *s, const struct spec *spec)
{
    const struct plan plan = spec_plan(spec, s->instance);
    plan_let_die(&plan);
}

int container_freeze(const struct store *s, const struct spec *spec, struct err *e)
{
    const struct plan plan = spec_plan(spec, s->instance);
    return plan_freeze(&plan, e);
}

int container_thaw(const struct store *s, const struct spec *spec, struct err *e)
{
    const struct plan plan = spec_plan(spec, s->instance);
    return plan_thaw(&plan, e);
}

bool container_is_frozen(const struct store *s, const struct spec *spec)
{
    const struct plan plan = spec_plan(spec, s->instance);
    return plan_is_frozen(&plan);
}

int container_each_process(const struct store *s, const struct spec *spec,
                           void (*each)(const struct process_seen *p, void *arg), void *arg,
                           struct err *e)
{
    const struct plan plan = spec_plan(spec, s->instance);
    return plan_each_process(&plan, each, arg, e);
}

/* As container_create() makes it. The caller clears @mounts and frees @layers, which the plan points to. */
static struct plan plan_with_mounts(const struct store *s, const struct spec *spec,
                                    struct plan_mounts *mounts, char **layers)
{
    struct plan plan = spec_plan(spec, s->instance);
    plan_default_mounts(mounts);
    add_volumes(mounts, spec);
    plan.layers = *layers = layers_of(s, spec);
    plan.mounts = mounts->list;
    plan.mount_count = mounts->count;
    return plan;
}

int container_each_change(struct store *s, const struct spec *spec, plan_change each, void *arg,
                          uint64_t *deeper, struct err *e)
{
    struct plan_mounts mounts = {0};
    _cleanup_free_ char *layers = NULL;
    const struct plan plan = plan_with_mounts(s, spec, &mounts, &layers);
    int r = plan_each_change(&plan, each, arg, deeper, e);
    plan_mounts_clear(&mounts);
    return r;
}

int container_usage(const struct store *s, const struct spec *spec, struct usage *out,
                    struct err *e)
{
    const struct plan plan = spec_plan(spec, s->instance);
    return plan_usage(&plan, out, e);
}

static int user_namespace_of(pid_t pid, uint64_t start)
{
    _cleanup_close_ int process = pidfd_of(pid, start);
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", pid);
    _cleanup_close_ int fd = process < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    /* The pidfd still works, so the path led to this process. */
    return fd >= 0 && pidfd_signal(process, 0) == 0 ? take_fd(fd) : -ESRCH;
}

int container_exec(struct store *s, const struct record *r, const struct exec_request *request,
                   struct err *e)
{
    struct plan plan = spec_plan(&r->spec, s->instance);
    _cleanup_close_ int owner = user_namespace_of(r->pid, r->pid_start);
    if (owner >= 0) /* else it has just ended, which process_exec() reports */
        plan.namespaces[PLAN_USER] = (struct plan_namespace){.how = NS_JOIN, .fd = owner};
    return process_exec(&plan, r->pid, r->pid_start, request, e);
}

static int copy_ended(struct store *s, const struct record *r, const struct copy_request *request,
                      struct err *e)
{
    struct copy_request q = *request;
    struct plan_mounts mounts = {0};
    _cleanup_free_ char *layers = NULL;
    struct plan plan = plan_with_mounts(s, &r->spec, &mounts, &layers);
    plan.mount_point = s->run; /* the container has no run directory */
    q.plan = &plan;
    _cleanup_close_ int lock = container_hold_files(s, r, e);
    q.lock = lock;
    int code = lock < 0 ? lock : process_copy(&q, e);
    plan_mounts_clear(&mounts);
    return code;
}

int container_copy(struct store *s, const struct record *r, const struct copy_request *request,
                   struct err *e)
{
    struct copy_request q = *request;
    if (r->status == STATUS_EXITED)
        return copy_ended(s, r, request, e);
    struct plan plan = spec_plan(&r->spec, s->instance);
    _cleanup_close_ int owner = user_namespace_of(r->pid, r->pid_start);
    if (owner < 0)
        return err_say(e, -ESRCH, "container `%s` has just ended", r->spec.name);
    plan.namespaces[PLAN_USER] = (struct plan_namespace){.how = NS_JOIN, .fd = owner};
    q.plan = &plan;
    q.pid = r->pid;
    q.pid_start = r->pid_start;
    return process_copy(&q, e);
}
