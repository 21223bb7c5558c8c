/* The registry of sandboxes: records, members, and the lock that says who keeps one alive. */
#include "check.h"

#include "sandbox/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define OWN "0123456789ab"
#define MATE "ba9876543210"

/* ---- the lock --------------------------------------------------------------------------------*/

static void test_lock(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int a = life_open(s.fd, true), b = life_open(s.fd, false),
                        look = life_open(s.fd, false);
    expect(life_of(look) == F_UNLCK, "a lock without holder", "%d", life_of(look));
    int first = life_take(a, F_RDLCK), second = life_take(b, F_RDLCK);
    expect(first == 0 && second == 0 && life_of(look) == F_RDLCK, "two share a lock", "%d %d",
           first, second);
    int upgrade = life_take(a, F_WRLCK);
    b = close_fd(b);
    expect(upgrade == -EWOULDBLOCK && life_of(look) == F_RDLCK,
           "a failed conversion keeps the share", "%d, then %d", upgrade, life_of(look));
    upgrade = life_take(a, F_WRLCK);
    expect(upgrade == 0 && life_of(look) == F_WRLCK, "the last one has it alone", "%d", upgrade);
    expect(life_take(look, F_RDLCK) == -EWOULDBLOCK, "then none can join", "it joined");
}

/* ---- the registry ----------------------------------------------------------------------------*/

struct seen {
    size_t count;
    enum sandbox_state state;
    bool damaged;
    uint64_t cookie;
    char *name;
    strv members;
};

static int see(struct sandbox_record *r, void *arg)
{
    struct seen *s = arg;
    s->count++;
    s->state = r->state;
    s->damaged = r->damaged;
    s->cookie = r->cookie;
    s->name = r->name ? xstrdup(r->name) : NULL;
    sandbox_members(r, &s->members);
    return 0;
}

static struct seen look(struct sandboxes *all)
{
    struct seen s = {0};
    struct err e = ERR_INIT;
    int r = sandbox_each(all, see, &s, &e);
    expect(r == 0, "the list can be read", "%s", text_of(&e));
    err_clear(&e);
    return s;
}

static void seen_clear(struct seen *s)
{
    free(s->name);
    strv_free(s->members);
}

static void is_seen(struct sandboxes *all, size_t count, size_t members, const char *what)
{
    struct seen s = look(all);
    expect(s.count == count && (!count || (s.state == SANDBOX_LIVES && !s.damaged)) &&
               strv_len(s.members) == members && (!count || streq(s.name, "own")),
           what, "%zu sandboxes, state %d, %zu members, name %s", s.count, s.state,
           strv_len(s.members), s.name ? s.name : "none");
    seen_clear(&s);
}

static struct sandbox *enter(struct sandboxes *all, const char *member, const char *name)
{
    struct err e = ERR_INIT;
    const struct sandbox_request request = {
        .id = OWN, .name = "own", .member = member, .member_name = name};
    struct sandbox *sb = sandbox_new(all, &request);
    int r = sandbox_create(sb, &e);
    if (r == 0)
        r = sandbox_start(sb, &e);
    expect(r == 0, name, "%s", text_of(&e));
    err_clear(&e);
    return sb;
}

static void leave(struct sandbox *sb)
{
    struct err e = ERR_INIT;
    int r = sandbox_leave(sb, false, &e);
    expect(r == 0, "one leaves", "%s", text_of(&e));
    err_clear(&e);
    sandbox_free(sb);
}

static void test_life(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    struct sandboxes *all = sandboxes_new(s.fd, NULL);
    is_seen(all, 0, 0, "no directory: no sandbox");
    struct sandbox *own = enter(all, NULL, "the owner makes it");
    const uint64_t inode = netns_inode(sandbox_netns(own));
    is_seen(all, 1, 1, "it is listed with its member");
    struct seen seen = look(all);
    uint64_t cookie = 0;
    (void)netns_cookie(sandbox_netns(own), &cookie, NULL);
    check(cookie && seen.cookie == cookie, "the record has the namespace's cookie", "it has not");
    seen_clear(&seen);
    struct sandbox *mate = enter(all, MATE, "a guest joins");
    check(netns_inode(sandbox_netns(mate)) == inode, "in the same namespace", "another one");
    is_seen(all, 1, 2, "two members");
    leave(own);
    is_seen(all, 1, 1, "it lives without its owner");
    own = enter(all, NULL, "the owner comes back");
    check(netns_inode(sandbox_netns(own)) == inode, "to the same namespace", "another one");
    leave(mate);
    is_seen(all, 1, 1, "the guest has gone");
    leave(own);
    is_seen(all, 0, 0, "the last one removes it");
    struct err e = ERR_INIT;
    struct sandbox *late =
        sandbox_new(all, &(struct sandbox_request){.id = OWN, .name = "own", .member = MATE});
    int r = sandbox_create(late, &e);
    expect(r == -ESRCH, "a guest does not make one", "%d: %s", r, text_of(&e));
    err_clear(&e);
    sandbox_free(late);
    sandboxes_free(all);
}

static void test_damage(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    struct sandboxes *all = sandboxes_new(s.fd, NULL);
    struct sandbox *own = enter(all, NULL, "one to be damaged");
    put_file(s.fd, "sandboxes/" OWN "/sandbox.json", "{\"schema\": 1}", 13);
    struct seen seen = look(all);
    expect(seen.count == 1 && seen.state == SANDBOX_LIVES && seen.damaged, "a damaged record",
           "%zu, state %d", seen.count, seen.state);
    seen_clear(&seen);
    put_file(s.fd, "sandboxes/" OWN "/member." OWN ".json", "{}", 2);
    seen = look(all);
    expect(!seen.members, "a damaged member is none", "%s", "it is one");
    seen_clear(&seen);
    sandbox_free(own); /* as if it had been killed */
    seen = look(all);
    expect(seen.count == 1 && seen.state == SANDBOX_DEAD, "without a holder it is dead", "state %d",
           seen.state);
    seen_clear(&seen);
    sandboxes_free(all);
}

static void test_half_made(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    struct sandboxes *all = sandboxes_new(s.fd, NULL);
    (void)mkdirat(s.fd, "sandboxes", 0700);
    (void)mkdirat(s.fd, "sandboxes/" OWN, 0700);
    put_file(s.fd, "sandboxes/" MATE, "", 0);
    struct seen seen = look(all);
    expect(seen.count == 1 && seen.state == SANDBOX_DEAD && !seen.damaged && !seen.name,
           "a directory without lock and record", "%zu, state %d", seen.count, seen.state);
    seen_clear(&seen);
    sandboxes_free(all);
}

/* ---- the owner -------------------------------------------------------------------------------*/

static ino_t inode_of(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* In a child: a network namespace of another user namespace. */
static int foreign_netns(int *user)
{
    int ready[2], pid = pipe(ready) < 0 ? -1 : fork();
    char byte;
    if (pid == 0) {
        int ok = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1;
        pause();
        _exit(ok);
    }
    close(ready[1]);
    bool made = pid > 0 && read(ready[0], &byte, 1) == 1;
    _cleanup_free_ char *net = xasprintf("/proc/%d/ns/net", pid),
                        *own = xasprintf("/proc/%d/ns/user", pid);
    int fd = made ? open(net, O_RDONLY | O_CLOEXEC) : -1;
    *user = made ? open(own, O_RDONLY | O_CLOEXEC) : -1;
    close(ready[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return fd;
}

static void test_owner(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    struct sandboxes *all = sandboxes_new(s.fd, NULL);
    const struct sandbox_request request = {.id = OWN, .name = "own"};
    struct sandbox *sb = sandbox_new(all, &request);
    _cleanup_close_ int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
                        before = sandbox_owner(sb, NULL);
    expect(inode_of(before) == inode_of(own), "the owner of a namespace to come", "another");
    int user, netns = foreign_netns(&user);
    sandbox_join(sb, netns, -1);
    _cleanup_close_ int after = sandbox_owner(sb, NULL);
    expect(inode_of(after) && inode_of(after) == inode_of(user) && inode_of(after) != inode_of(own),
           "the owner of a namespace whose processes are dead", "another");
    close_fd(user);
    sandbox_free(sb);
    sandboxes_free(all);
}

static struct sandbox *new_with(struct sandboxes *all, const char *member, const struct id_map *ids)
{
    const struct sandbox_request request = {
        .id = OWN, .name = "own", .member = member, .member_name = "one", .owner = ids};
    return sandbox_new(all, &request);
}

static void create(struct sandbox *sb, const char *what)
{
    struct err e = ERR_INIT;
    int r = sandbox_create(sb, &e);
    if (r == 0)
        r = sandbox_start(sb, &e);
    expect(r == 0, what, "%s", text_of(&e));
    err_clear(&e);
}

static ino_t owner_of(struct sandbox *sb)
{
    struct err e = ERR_INIT;
    _cleanup_close_ int fd = sandbox_owner(sb, &e);
    if (fd < 0)
        expect(false, "an owner", "%s", text_of(&e));
    err_clear(&e);
    return inode_of(fd);
}

static void has_ids(struct sandboxes *all, const struct id_map *ids, const char *what)
{
    _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
    struct err e = ERR_INIT;
    int code = sandbox_find(all, OWN, &r, &e);
    expect(code == 0 && !r.damaged && id_maps_equal(&r.owner, ids), what, "%d: %s", code,
           text_of(&e));
    err_clear(&e);
}

static void refuses(struct sandboxes *all, const struct id_map *ids, const char *what)
{
    struct err e = ERR_INIT;
    struct sandbox *sb = new_with(all, NULL, ids);
    int fd = sandbox_owner(sb, &e);
    expect(fd == -EBUSY && streq(e.text, "the network of container `own` is in use with other ids"),
           what, "%d: %s", fd, text_of(&e));
    err_clear(&e);
    sandbox_free(sb);
}

/* The user namespace is known before the network namespace, and stays that of all members. */
static void test_ids(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    struct sandboxes *all = sandboxes_new(s.fd, NULL);
    _cleanup_close_ int home = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    const struct id_map ids = id_map_of_range(0x50000000), other = id_map_of_range(0x50010000),
                        none = {0};
    struct sandbox *own = new_with(all, NULL, &ids);
    ino_t first = owner_of(own);
    expect(first && first != inode_of(home) && owner_of(own) == first,
           "a user namespace, made once", "%lu", (unsigned long)first);
    create(own, "a sandbox with ids of its own");
    _cleanup_close_ int owner = netns_owner(sandbox_netns(own), NULL);
    check(inode_of(owner) == first && owner_of(own) == first, "owns its network namespace",
          "another");
    has_ids(all, &ids, "they are in its record");
    struct sandbox *mate = new_with(all, MATE, NULL);
    check(owner_of(mate) == first, "a guest learns it before it joins", "another");
    create(mate, "it joins");
    leave(own);
    has_ids(all, &ids, "they stay without the owner");
    refuses(all, &other, "other ids while it lives");
    refuses(all, NULL, "the host's ids while it lives");
    own = new_with(all, NULL, &ids);
    check(owner_of(own) == first, "the container comes back to the same one", "another");
    create(own, "it joins again");
    leave(mate);
    leave(own);
    own = new_with(all, NULL, NULL);
    check(owner_of(own) == inode_of(home), "without ids, the host's", "another");
    create(own, "without ids");
    has_ids(all, &none, "none in its record");
    leave(own);
    own = new_with(all, NULL, &ids);
    create(own, "a sandbox whose owner was not asked for");
    _cleanup_close_ int late = netns_owner(sandbox_netns(own), NULL);
    check(inode_of(late) && inode_of(late) != inode_of(home), "it has one", "the host's");
    leave(own);
    sandboxes_free(all);
}

static void rewrite(int fd, const char *from, const char *to)
{
    static const char file[] = "sandboxes/" OWN "/sandbox.json";
    _cleanup_json_ json_t *j = NULL;
    struct err e = ERR_INIT;
    if (json_read_at(fd, file, &j, &e) < 0) {
        check(false, file, text_of(&e));
        exit(1);
    }
    if (to)
        json_put_str(j, from, to);
    else
        json_object_del(j, from);
    check(json_write_sealed_at(fd, file, j, &e) == 0, "it is changed", text_of(&e));
    err_clear(&e);
}

static void test_record_of_ids(void)
{
    static const struct {
        const char *key, *value;
        bool damaged;
    } rows[] = {{"uids", "0:1:x", true},
                {"uids", NULL, true},
                {"owner", "moon", true},
                {"owner", NULL, false}, /* as if older than the key */
                {"owner", "host", false}};
    _cleanup_scratch_ struct scratch s = scratch_open();
    struct sandboxes *all = sandboxes_new(s.fd, NULL);
    const struct id_map ids = id_map_of_range(0x50000000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sandbox *own = new_with(all, NULL, &ids);
        create(own, "one to be read");
        rewrite(s.fd, rows[i].key, rows[i].value);
        _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
        int code = sandbox_find(all, OWN, &r, NULL);
        expect(code == 0 && r.damaged == rows[i].damaged && (r.damaged || id_map_is_host(&r.owner)),
               "a record", "%s %s: %d, damaged %d", rows[i].key, rows[i].value, code, r.damaged);
        leave(own);
    }
    sandboxes_free(all);
}

int main(void)
{
    test_lock();
    test_life();
    test_damage();
    test_half_made();
    test_owner();
    test_ids();
    test_record_of_ids();
    return failures > 0;
}
