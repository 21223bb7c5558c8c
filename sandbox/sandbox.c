/* One sandbox from its claim to its start. */
#include "sandbox.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

struct sandbox *sandbox_new(struct sandboxes *all, const struct sandbox_request *request)
{
    struct sandbox *sb = xcalloc(1, sizeof(*sb));
    const char *member = request->member ? request->member : request->id;
    *sb = (struct sandbox){
        .all = all,
        .request = *request,
        .id = xstrdup(request->id),
        .name = xstrdup(request->name),
        .member = xstrdup(member),
        .member_name = xstrdup(request->member_name ? request->member_name : request->name),
        .guest = !streq(member, request->id),
        .dir = -1,
        .lock = -1,
        .change = -1,
        .pinned_lock = -1,
        .shared_records = -1,
        .owner = -1,
        .netns = -1,
        .sysctls = SYSCTLS_INIT,
    };
    if (request->owner)
        sb->ids = *request->owner;
    return sb;
}

void sandbox_free(struct sandbox *sb)
{
    if (!sb)
        return;
    sandbox_stop_serving(sb);
    bindings_close(sb);
    port_mappings_clear(&sb->waiting);
    attachments_clear(sb);
    rt_close(sb->inside);
    sysctls_close(&sb->sysctls);
    userns_end(&sb->maker);
    int *const fds[] = {&sb->netns, &sb->owner, &sb->pinned_lock, &sb->shared_records,
                        &sb->dir,   &sb->lock,  &sb->change};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close_fd(*fds[i]);
    free(sb->resolv);
    free(sb->id);
    free(sb->name);
    free(sb->member);
    free(sb->path);
    free(sb->member_name);
    free(sb);
}

const char *sandbox_id(const struct sandbox *sb)
{
    return sb->id;
}

void sandbox_set_names_port(struct sandbox *sb, uint16_t port)
{
    sb->names_port = port;
}

int sandbox_netns(const struct sandbox *sb)
{
    return sb->netns;
}

bool sandbox_has_networks(const struct sandbox *sb)
{
    return sb && sb->attachment_count > 0;
}

bool sandbox_has_ports(const struct sandbox *sb)
{
    return sb && sb->bindings;
}

void sandbox_networks(const struct sandbox *sb, strv *out)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        strv_add_take(out, connect_request_text(&sb->attachments[i].wanted));
}

void sandbox_join(struct sandbox *sb, int netns, int records)
{
    close_fd(sb->netns);
    close_fd(sb->shared_records);
    sb->netns = netns;
    sb->shared_records = records;
}

bool sandbox_is_pinned(const struct sandbox *sb)
{
    return sb->pinned_lock >= 0;
}

/* A process that destroys it takes the same lock exclusively. */
int sandbox_join_pinned(struct sandbox *sb, const struct sandbox_record *r, struct err *e)
{
    _cleanup_close_ int lock = life_open(r->dir, false);
    int code = lock < 0 ? lock : life_take(lock, F_RDLCK);
    if (code < 0)
        return err_set(e, code, "lock sandbox %s", r->id);
    int netns = sandbox_open_netns(r);
    if (netns < 0)
        return err_set(e, netns, "open the network namespace of sandbox %s", r->id);
    sandbox_join(sb, netns, fcntl(r->dir, F_DUPFD_CLOEXEC, 3));
    close_fd(sb->pinned_lock);
    sb->pinned_lock = take_fd(lock);
    return 0;
}

/* ---- claim -----------------------------------------------------------------------------------*/

/* What became of one attempt: 0, -errno, or … */
enum { CLAIM_NEW = 1, CLAIM_JOINED, CLAIM_AGAIN };

static int open_directory(struct sandbox *sb, int all, struct err *e)
{
    sb->dir = close_fd(sb->dir);
    sb->lock = close_fd(sb->lock);
    int fd = openat(all, sb->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(e, errno, "open the directory of sandbox %s", sb->id);
    sb->dir = fd;
    return 0;
}

/* The lock goes right after the directory: a directory without one is half made. */
static int make_new(struct sandbox *sb, int all, struct err *e)
{
    int r = open_directory(sb, all, e);
    if (r == 0 && (r = sb->lock = life_open(sb->dir, true)) >= 0)
        r = life_take(sb->lock, F_RDLCK);
    if (r < 0 && !(e && e->code))
        err_set(e, r, "lock sandbox %s", sb->id);
    return r < 0 ? r : CLAIM_NEW;
}

/* All of its members are dead, and this process has its lock exclusively. */
static int clear_dead(struct sandbox *sb, struct err *e)
{
    const struct ending ending = {.all = sb->all, .id = sb->id, .name = sb->name, .dir = sb->dir};
    _cleanup_sandbox_record_ struct sandbox_record record = {.dir = -1};
    if (record_read(sb->dir, sb->id, &record, NULL) == 0 && record.life != SANDBOX_MONITORED)
        return err_say(e, -EBUSY, "sandbox %s has no monitor, and is not taken down by one",
                       sb->id);
    int r = take_down(&ending, e);
    if (r == 0)
        r = remove_sandbox(sb->all, sb->id, e);
    return r < 0 ? r : CLAIM_AGAIN;
}

/* It may be removed between the two steps. */
static bool is_removed(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 || st.st_nlink == 0;
}

/* A sandbox whose members have just gone has no namespace any more: its only holder then takes it down. */
static int join_living(struct sandbox *sb, struct err *e)
{
    struct sandbox_record record = {.dir = -1};
    int r = record_read(sb->dir, sb->id, &record, e);
    if (r == 0)
        sb->netns = members_netns(sb->dir, record.cookie);
    sandbox_record_clear(&record);
    if (r == 0 && sb->netns >= 0)
        return CLAIM_JOINED;
    if (life_take(sb->lock, F_WRLCK) == 0) {
        err_clear(e);
        return clear_dead(sb, e);
    }
    return r < 0 ? r : CLAIM_AGAIN;
}

static int join_known(struct sandbox *sb, int all, struct err *e)
{
    int r = open_directory(sb, all, e);
    if (r == -ENOENT) {
        err_clear(e);
        return CLAIM_AGAIN;
    }
    if (r == 0)
        r = sb->lock = life_open(sb->dir, true);
    if (r < 0)
        return e && e->code ? r : err_set(e, r, "open the lock of sandbox %s", sb->id);
    r = life_take(sb->lock, F_WRLCK);
    if (r == 0 && is_removed(sb->lock))
        return CLAIM_AGAIN;
    if (r == 0)
        return clear_dead(sb, e);
    if (r == -EWOULDBLOCK)
        r = life_take(sb->lock, F_RDLCK);
    if (r == -EWOULDBLOCK) /* another process takes it down */
        return CLAIM_AGAIN;
    return r < 0 ? err_set(e, r, "lock sandbox %s", sb->id) : join_living(sb, e);
}

static int claim_once(struct sandbox *sb, struct err *e)
{
    int all = sandboxes_dir(sb->all, !sb->guest, e);
    if (all < 0)
        return all;
    if (sb->guest && file_exists_at(all, sb->id) == 0)
        return err_say(e, -ESRCH, "container `%s` has ended", sb->name);
    if (!sb->guest && mkdirat(all, sb->id, 0700) == 0)
        return make_new(sb, all, e);
    if (!sb->guest && errno != EEXIST)
        return err_set(e, errno, "make the directory of sandbox %s", sb->id);
    return join_known(sb, all, e);
}

static int claim(struct sandbox *sb, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    enum { TRIES_MAX = 2000 };
    int r = CLAIM_AGAIN;
    for (int tries = 0; r == CLAIM_AGAIN && tries < TRIES_MAX; tries++) {
        if (tries > 0)
            nanosleep(&pause, NULL);
        r = claim_once(sb, e);
    }
    return r == CLAIM_AGAIN ? err_say(e, -ETIMEDOUT, "sandbox %s is still being taken down", sb->id)
                            : r;
}

int sandbox_create(struct sandbox *sb, struct err *e)
{
    bool ipv6 = attachments_ipv6(sb);
    uint64_t cookie;
    int r = claim(sb, e);
    sb->joined = r == CLAIM_JOINED;
    sb->born = sb->joined ? BORN_UNKNOWN : ipv6 ? BORN_WITH_IPV6 : BORN_WITHOUT_IPV6;
    if (r < 0 || sb->joined) {
        userns_end(&sb->maker);
        return r < 0 ? r : owner_require(sb, e);
    }
    r = owner_netns(sb, ipv6, e);
    if (r == 0)
        r = rt_netns_cookie(sb->inside, &cookie, e);
    return r == 0 ? record_save(sb, cookie, e) : r;
}

/* ---- start -----------------------------------------------------------------------------------*/

static int raise_loopback(struct rt *inside, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_up(batch, 1);
    return rt_commit(batch, e);
}

static int start_new(struct sandbox *sb, struct err *e)
{
    _cleanup_rt_ struct rt *inside = take_ptr(sb->inside);
    const struct attachment *gateway = attachments_gateway(sb);
    int r = 0;
    for (size_t i = 0; r == 0 && i < sb->attachment_count; i++) {
        struct attachment *p = &sb->attachments[i];
        r = attachment_connect(
            sb, p, inside, p == gateway && sb->bindings ? &sb->bindings->port_mappings : NULL, e);
    }
    return r == 0 && sb->attachment_count == 0 ? raise_loopback(inside, e) : r;
}

/* Last: a sandbox with a member is complete. */
int sandbox_start(struct sandbox *sb, struct err *e)
{
    int r = sb->guest ? 0 : sb->joined ? take_over(sb, e) : start_new(sb, e);
    return r == 0 ? member_save(sb, e) : r;
}
