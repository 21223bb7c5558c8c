/* The spec as JSON: written once when a container is made, read back by every later command. */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

void spec_clear(struct spec *s)
{
    free(s->name);
    free(s->id);
    free(s->rootfs);
    strv_free(s->argv);
    strv_free(s->env);
    free(s->workdir);
    free(s->user);
    strv_free(s->groups);
    free(s->umask);
    free(s->hostname);
    strv_free(s->labels);
    for (size_t i = 0; i < s->volume_count; i++) {
        free(s->volumes[i].source);
        free(s->volumes[i].target);
    }
    free(s->volumes);
    free(s->network);
    free(s->network_of);
    strv_free(s->networks);
    strv_free(s->publish);
    strv_free(s->published);
    strv_free(s->unpublished);
    strv_free(s->dns);
    strv_free(s->dns_search);
    strv_free(s->dns_options);
    strv_free(s->add_hosts);
    strv_free(s->sysctls);
    free(s->userns_why);
    free(s->pid_file);
    *s = (struct spec){0};
}

/* It serves as a hostname, too, and digits alone would be taken for an address (inet_aton). */
char *spec_id_of(uint64_t bits)
{
    char *id = xasprintf("%012" PRIx64, bits & 0xffffffffffff);
    if (strspn(id, "0123456789") == strlen(id))
        *id = (char)('a' + (*id - '0') % 6);
    return id;
}

char *spec_new_id(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
        bits = (uint64_t)getpid() << 32 ^ proc_start_time(getpid());
    return spec_id_of(bits);
}

char *spec_early_hint(const struct spec *s)
{
    return xasprintf(
        "`%s` ended at once with exit status 0: if it went to the background by itself, keep it in front "
        "(nginx: `nginx -g 'daemon off;'`)",
        s->argv[0]);
}

static void put_tmpfs(json_t *j, const struct volume *v)
{
    json_object_set_new(j, "size", json_integer((json_int_t)v->size));
    json_object_set_new(j, "inodes", json_integer((json_int_t)v->inodes));
    json_object_set_new(j, "mode", json_integer(v->mode));
    json_object_set_new(j, "uid", json_integer(v->uid));
    json_object_set_new(j, "gid", json_integer(v->gid));
    json_object_set_new(j, "exec", json_boolean(v->exec));
    json_object_set_new(j, "suid", json_boolean(v->suid));
}

static void read_tmpfs(const json_t *j, struct volume *v)
{
    int64_t size = json_int(j, "size", 0), inodes = json_int(j, "inodes", 0);
    v->size = size > 0 ? (uint64_t)size : 0;
    v->inodes = inodes > 0 ? (uint64_t)inodes : 0;
    v->mode = (unsigned)json_int(j, "mode", 0) & 07777;
    v->uid = (uint32_t)json_int(j, "uid", 0);
    v->gid = (uint32_t)json_int(j, "gid", 0);
    v->exec = json_flag(j, "exec");
    v->suid = json_flag(j, "suid");
}

void spec_bound_tmpfs(struct spec *s)
{
    enum { BLOCK = 4096, INODES_MIN = 1024, INODES_MAX = 262144 };
    uint64_t usual =
        s->limits.memory && s->limits.memory < TMPFS_SIZE_MAX ? s->limits.memory : TMPFS_SIZE_MAX;
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = &s->volumes[i];
        if (v->source)
            continue;
        v->size = v->size ? v->size : usual;
        uint64_t blocks = v->size / BLOCK;
        if (!v->inodes)
            v->inodes = blocks < INODES_MIN   ? INODES_MIN
                        : blocks > INODES_MAX ? INODES_MAX
                                              : blocks;
    }
}

static json_t *volumes_to_json(const struct spec *s)
{
    json_t *volumes = json_array();
    for (size_t i = 0; i < s->volume_count; i++) {
        json_t *v = json_object();
        json_put_str(v, "source", s->volumes[i].source);
        json_put_str(v, "target", s->volumes[i].target);
        json_object_set_new(v, "read_only", json_boolean(s->volumes[i].read_only));
        if (s->volumes[i].host_ids)
            json_object_set_new(v, "host_ids", json_true());
        if (!s->volumes[i].source)
            put_tmpfs(v, &s->volumes[i]);
        json_array_append_new(volumes, v);
    }
    return volumes;
}

static json_t *limits_to_json(const struct limits *l)
{
    json_t *limits = json_object();
    json_object_set_new(limits, "memory", json_integer((json_int_t)l->memory));
    json_object_set_new(limits, "cpu_milli", json_integer((json_int_t)l->cpu_milli));
    json_object_set_new(limits, "pids", json_integer((json_int_t)l->pids));
    if (l->pids_by_default)
        json_object_set_new(limits, "pids_by_default", json_true());
    return limits;
}

json_t *spec_to_json(const struct spec *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "name", s->name);
    json_put_str(j, "id", s->id);
    json_put_str(j, "rootfs", s->rootfs);
    json_object_set_new(j, "in_place", json_boolean(s->in_place));
    json_object_set_new(j, "read_only", json_boolean(s->read_only));
    json_object_set_new(j, "auto_remove", json_boolean(s->auto_remove));
    json_object_set_new(j, "interactive", json_boolean(s->interactive));
    json_object_set_new(j, "tty", json_boolean(s->tty));
    json_object_set_new(j, "init", json_boolean(s->init));
    json_object_set_new(j, "detached", json_boolean(s->detached));
    json_put_strv(j, "argv", s->argv);
    json_put_strv(j, "env", s->env);
    json_put_str(j, "workdir", s->workdir);
    json_put_str(j, "user", s->user);
    json_put_strv(j, "group_add", s->groups);
    json_put_str(j, "umask", s->umask);
    json_object_set_new(j, "oom_score_adj", json_integer(s->oom_score));
    json_put_str(j, "hostname", s->hostname);
    json_object_set_new(j, "labels", labels_to_json(s->labels));
    json_object_set_new(j, "volumes", volumes_to_json(s));
    if (s->shm_size)
        json_object_set_new(j, "shm_size", json_integer((json_int_t)s->shm_size));
    json_object_set_new(j, "limits", limits_to_json(&s->limits));
    json_object_set_new(j, "ulimits", ulimits_to_json(&s->ulimits));
    json_object_set_new(j, "caps", json_integer((json_int_t)s->caps));
    json_object_set_new(j, "ambient_caps", json_integer((json_int_t)s->ambient_caps));
    json_put_str(j, "network", s->network);
    json_put_str(j, "network_of", s->network_of);
    json_put_strv(j, "networks", s->networks);
    json_put_strv(j, "publish", s->publish);
    json_put_strv(j, "published", s->published);
    if (s->unpublished)
        json_put_strv(j, "unpublished", s->unpublished);
    json_put_strv(j, "dns", s->dns);
    json_put_strv(j, "dns_search", s->dns_search);
    json_put_strv(j, "dns_options", s->dns_options);
    json_put_strv(j, "add_hosts", s->add_hosts);
    json_put_strv(j, "sysctls", s->sysctls);
    userns_to_json(s, j);
    _cleanup_free_ char *restart = restart_text(&s->restart);
    json_put_str(j, "restart", restart);
    json_put_str(j, "pid_file", s->pid_file);
    stop_to_json(s, j);
    json_object_set_new(j, "log", log_options_to_json(&s->log));
    json_object_set_new(j, "created", json_integer(s->created));
    json_object_set_new(j, "created_nsec", json_integer(s->created_nsec));
    return j;
}

static void read_volumes(const json_t *j, struct spec *s)
{
    const json_t *volumes = json_object_get(j, "volumes");
    s->volumes = xcalloc(json_array_size(volumes), sizeof(*s->volumes));
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *v = json_array_get(volumes, i);
        if (!json_str(v, "target"))
            continue;
        s->volumes[s->volume_count++] = (struct volume){
            .source = xstrdup(json_str(v, "source")),
            .target = xstrdup(json_str(v, "target")),
            .read_only = json_flag(v, "read_only"),
            .host_ids = json_flag(v, "host_ids"),
        };
        read_tmpfs(v, &s->volumes[s->volume_count - 1]);
    }
    spec_bound_tmpfs(s); /* older definitions have no sizes */
}

static void read_limits(const json_t *j, struct spec *s)
{
    const json_t *limits = json_object_get(j, "limits");
    s->limits.memory = (uint64_t)json_int(limits, "memory", 0);
    s->limits.cpu_milli = (uint64_t)json_int(limits, "cpu_milli", 0);
    s->limits.pids = (uint64_t)json_int(limits, "pids", 0);
    s->limits.pids_by_default = json_flag(limits, "pids_by_default");
    ulimits_from_json(json_object_get(j, "ulimits"), &s->ulimits);
}

static int check(const json_t *j, struct spec *s, struct err *e)
{
    const char *restart = json_str(j, "restart");
    int64_t schema = json_int(j, "schema", 0);
    if (restart && restart_parse(restart, &s->restart, NULL) < 0)
        return err_say(e, -EBADMSG, "damaged: unknown restart policy `%s`", restart);
    if (log_options_from_json(json_object_get(j, "log"), &s->log, e) < 0)
        return -EBADMSG;
    strv_each (text, s->sysctls)
        if (!strchr(text, '='))
            return err_say(e, -EBADMSG, "damaged: sysctl `%s` has no value", text);
    if (stop_from_json(j, &s->stop, e) < 0 || userns_from_json(j, s, e) < 0)
        return -EBADMSG;
    if (schema > 1)
        return err_say(e, -EBADMSG, "written by a newer netctr (schema %d)", (int)schema);
    if (!valid_name(s->name) || !valid_name(s->id) || !s->rootfs || !s->argv || !s->network)
        return err_say(e, -EBADMSG, "damaged: name, id, rootfs, argv or network is missing");
    return 0;
}

int spec_from_json(const json_t *j, struct spec *s, struct err *e)
{
    *s = (struct spec){
        .name = xstrdup(json_str(j, "name")),
        .id = xstrdup(json_str(j, "id")),
        .rootfs = xstrdup(json_str(j, "rootfs")),
        .in_place = json_flag(j, "in_place"),
        .read_only = json_flag(j, "read_only"),
        .auto_remove = json_flag(j, "auto_remove"),
        .interactive = json_flag(j, "interactive"),
        .tty = json_flag(j, "tty"),
        .init = json_flag(j, "init"),
        .detached = json_flag(j, "detached"),
        .argv = json_strv(j, "argv"),
        .env = json_strv(j, "env"),
        .workdir = xstrdup(json_str(j, "workdir")),
        .user = xstrdup(json_str(j, "user")),
        .groups = json_strv(j, "group_add"),
        .umask = xstrdup(json_str(j, "umask")),
        .oom_score = (int)json_int(j, "oom_score_adj", 0),
        .hostname = xstrdup(json_str(j, "hostname")),
        .labels = labels_from_json(json_object_get(j, "labels")),
        .shm_size = (uint64_t)json_int(j, "shm_size", 0),
        .caps = (uint64_t)json_int(j, "caps", 0),
        .ambient_caps = (uint64_t)json_int(j, "ambient_caps", 0),
        .network = xstrdup(json_str(j, "network")),
        .network_of = xstrdup(json_str(j, "network_of")),
        .networks = json_strv(j, "networks"),
        .publish = json_strv(j, "publish"),
        .published = json_strv(j, "published"),
        .unpublished = json_strv(j, "unpublished"),
        .dns = json_strv(j, "dns"),
        .dns_search = json_strv(j, "dns_search"),
        .dns_options = json_strv(j, "dns_options"),
        .add_hosts = json_strv(j, "add_hosts"),
        .sysctls = json_strv(j, "sysctls"),
        .pid_file = xstrdup(json_str(j, "pid_file")),
        .created = json_int(j, "created", 0),
        .created_nsec = json_int(j, "created_nsec", 0),
    };
    read_limits(j, s);
    read_volumes(j, s);
    s->network_mode = streq(s->network, "host") ? NETWORK_HOST : NETWORK_OWN;
    int r = check(j, s, e);
    if (r < 0)
        spec_clear(s);
    return r;
}
