/* Docker's names for what netctr shows. Each view takes netctr's own JSON, so nothing is found out a second time, and its own
 * fields remain. */
#include "view.h"

#include <string.h>

static void put(json_t *j, const char *key, json_t *value)
{
    json_object_set_new(j, key, value);
}

/* A copy of a member of @from, or a default. */
static void copy(json_t *j, const char *key, const json_t *from, const char *member,
                 json_t *otherwise)
{
    json_t *value = json_object_get(from, member);
    if (value && !json_is_null(value)) {
        json_object_set(j, key, value);
        json_decref(otherwise);
    } else {
        put(j, key, otherwise);
    }
}

static json_t *no_text(void)
{
    return json_string("");
}

/* ["KEY=VALUE"], or an object already, as an object. */
static json_t *labels_of(const json_t *j)
{
    json_t *given = json_object_get(j, "labels"), *out = json_object(), *text;
    size_t i;
    if (json_is_object(given))
        json_object_update(out, given);
    json_array_foreach (given, i, text) {
        const char *whole = json_string_value(text), *value = whole ? strchr(whole, '=') : NULL;
        _cleanup_free_ char *key = whole ? xstrndup(whole, strcspn(whole, "=")) : NULL;
        if (key)
            put(out, key, json_string(value ? value + 1 : ""));
    }
    return out;
}

void view_only(json_t *j)
{
    const char *key;
    void *next;
    json_t *value;
    json_object_foreach_safe(j, next, key, value) if (*key < 'A' || *key > 'Z')
        json_object_del(j, key);
}

/* ---- containers ------------------------------------------------------------------------------*/

static json_t *state_of(const json_t *own)
{
    json_t *s = json_object();
    const char *status = json_str(own, "status");
    copy(s, "Status", own, "status", no_text());
    put(s, "Running", json_boolean(streq(status, "running") || streq(status, "paused")));
    put(s, "Paused", json_boolean(streq(status, "paused")));
    put(s, "Restarting", json_boolean(streq(status, "restarting")));
    put(s, "Dead", json_boolean(streq(status, "dead")));
    copy(s, "OOMKilled", own, "oom_killed", json_false());
    copy(s, "Pid", own, "pid", json_integer(0));
    copy(s, "ExitCode", own, "exit_status", json_integer(0));
    copy(s, "Error", own, "failure", no_text());
    copy(s, "StartedAt", own, "started", json_string("0001-01-01T00:00:00Z"));
    copy(s, "FinishedAt", own, "finished", json_string("0001-01-01T00:00:00Z"));
    return s;
}

static json_t *config_of(const json_t *j)
{
    json_t *c = json_object();
    copy(c, "Hostname", j, "hostname", no_text());
    copy(c, "User", j, "user", no_text());
    copy(c, "WorkingDir", j, "workdir", no_text());
    copy(c, "Env", j, "env", json_array());
    copy(c, "Cmd", j, "argv", json_array());
    copy(c, "Image", j, "rootfs", no_text());
    copy(c, "Tty", j, "tty", json_false());
    copy(c, "OpenStdin", j, "interactive", json_false());
    put(c, "Labels", labels_of(j));
    return c;
}

/* "on-failure:3" */
static json_t *restart_policy_of(const json_t *j)
{
    json_t *policy = json_object();
    const char *text = json_str(j, "restart");
    const char *count = text ? strchr(text, ':') : NULL;
    _cleanup_free_ char *name = text ? xstrndup(text, strcspn(text, ":")) : xstrdup("no");
    put(policy, "Name", json_string(name));
    put(policy, "MaximumRetryCount", json_integer(count ? atoi(count + 1) : 0));
    return policy;
}

/* A lab's node is in a sandbox of its own. Docker would name the network. */
static json_t *network_mode_of(const json_t *j)
{
    const char *mode = json_str(j, "network");
    const json_t *first = json_array_get(json_object_get(j, "endpoints"), 0);
    const char *network = json_str(first, "network");
    return json_string(!mode                            ? ""
                       : !skip_prefix(mode, "sandbox:") ? mode
                       : network                        ? network
                                                        : "none");
}

static json_t *host_config_of(const json_t *j)
{
    json_t *h = json_object();
    const json_t *limits = json_object_get(j, "limits");
    put(h, "NetworkMode", network_mode_of(j));
    put(h, "RestartPolicy", restart_policy_of(j));
    copy(h, "Memory", limits, "memory", json_integer(0));
    put(h, "NanoCpus", json_integer(json_int(limits, "cpu_milli", 0) * 1000000));
    copy(h, "PidsLimit", limits, "pids", json_integer(0));
    copy(h, "ReadonlyRootfs", j, "read_only", json_false());
    copy(h, "AutoRemove", j, "auto_remove", json_false());
    put(h, "Privileged", json_false());
    copy(h, "UsernsMode", j, "userns_mode", no_text());
    copy(h, "Dns", j, "dns", json_array());
    copy(h, "ExtraHosts", j, "add_hosts", json_array());
    return h;
}

static json_t *mounts_of(const json_t *j)
{
    json_t *out = json_array(), *v;
    size_t i;
    json_array_foreach (json_object_get(j, "volumes"), i, v) {
        json_t *m = json_object();
        put(m, "Type", json_string(json_str(v, "source") ? "bind" : "tmpfs"));
        copy(m, "Source", v, "source", no_text());
        copy(m, "Destination", v, "target", no_text());
        put(m, "RW", json_boolean(!json_flag(v, "read_only")));
        json_array_append_new(out, m);
    }
    return out;
}

/* "0.0.0.0:8080->80/tcp" becomes {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}. */
static json_t *ports_of(const json_t *j)
{
    json_t *out = json_object(), *text;
    size_t i;
    json_array_foreach (json_object_get(j, "published"), i, text) {
        const char *whole = json_string_value(text), *arrow = whole ? strstr(whole, "->") : NULL;
        if (!arrow)
            continue;
        _cleanup_free_ char *host = xstrndup(whole, (size_t)(arrow - whole));
        char *colon = strrchr(host, ':');
        json_t *binding = json_object(), *list = json_object_get(out, arrow + 2);
        put(binding, "HostPort", json_string(colon ? colon + 1 : host));
        if (colon)
            *colon = '\0';
        put(binding, "HostIp", json_string(colon ? host : ""));
        if (!list)
            json_object_set_new(out, arrow + 2, list = json_array());
        json_array_append_new(list, binding);
    }
    return out;
}

static void put_addresses(json_t *to, const json_t *endpoint)
{
    copy(to, "IPAddress", endpoint, "address", no_text());
    copy(to, "GlobalIPv6Address", endpoint, "address6", no_text());
    copy(to, "MacAddress", endpoint, "mac", no_text());
}

static json_t *networks_of(const json_t *j)
{
    json_t *settings = json_object(), *networks = json_object(), *endpoint;
    const json_t *all = json_object_get(j, "endpoints");
    size_t i;
    json_array_foreach ((json_t *)all, i, endpoint) {
        json_t *n = json_object();
        put_addresses(n, endpoint);
        copy(n, "NetworkID", endpoint, "network", no_text());
        copy(n, "Aliases", endpoint, "aliases", json_array());
        json_object_set_new(networks, json_str(endpoint, "network") ?: "", n);
    }
    put_addresses(settings, json_array_get(all, 0));
    put(settings, "Networks", networks);
    put(settings, "Ports", ports_of(j));
    return settings;
}

void view_container(json_t *j)
{
    const json_t *argv = json_object_get(j, "argv");
    const char *name = json_str(j, "name");
    _cleanup_free_ char *slashed = xasprintf("/%s", name ? name : "");
    json_t *args = json_array();
    for (size_t i = 1; i < json_array_size(argv); i++)
        json_array_append(args, json_array_get(argv, i));
    copy(j, "Id", j, "id", no_text());
    put(j, "Name", json_string(slashed));
    copy(j, "Created", j, "created", no_text());
    copy(j, "Image", j, "rootfs", no_text());
    json_t *first = json_array_get(argv, 0);
    put(j, "Path", first ? json_incref(first) : no_text());
    put(j, "Args", args);
    put(j, "RestartCount", json_integer(json_int(json_object_get(j, "state"), "restarts", 0)));
    put(j, "State", state_of(json_object_get(j, "state")));
    put(j, "Config", config_of(j));
    put(j, "HostConfig", host_config_of(j));
    put(j, "Mounts", mounts_of(j));
    put(j, "NetworkSettings", networks_of(j));
}

/* ---- networks --------------------------------------------------------------------------------*/

static void add_subnet(json_t *list, const json_t *j, const char *subnet, const char *gateway)
{
    json_t *config = json_object();
    if (!json_str(j, subnet)) {
        json_decref(config);
        return;
    }
    copy(config, "Subnet", j, subnet, no_text());
    copy(config, "Gateway", j, gateway, no_text());
    json_array_append_new(list, config);
}

/* With the prefix length, as docker has it. */
static void put_address(json_t *to, const char *key, const json_t *member, const char *address,
                        const json_t *network, const char *subnet)
{
    const char *text = json_str(member, address), *whole = json_str(network, subnet),
               *prefix = whole ? strchr(whole, '/') : NULL;
    _cleanup_free_ char *with = xasprintf("%s%s", text ? text : "", text && prefix ? prefix : "");
    put(to, key, json_string(with));
}

/* Docker's have a map of ids. */
static json_t *members_of(const json_t *j)
{
    json_t *out = json_object(), *c;
    size_t i;
    json_array_foreach (json_object_get(j, "containers"), i, c) {
        json_t *m = json_object();
        const char *id = json_str(c, "id"), *name = json_str(c, "name");
        copy(m, "Name", c, "name", no_text());
        put_address(m, "IPv4Address", c, "address", j, "subnet");
        put_address(m, "IPv6Address", c, "address6", j, "subnet6");
        copy(m, "MacAddress", c, "mac", no_text());
        json_object_set_new(out, id ? id : name ? name : "", m);
    }
    return out;
}

void view_network(json_t *j)
{
    json_t *ipam = json_object(), *config = json_array(), *options = json_object();
    add_subnet(config, j, "subnet", "gateway");
    add_subnet(config, j, "subnet6", "gateway6");
    put(ipam, "Driver", json_string("default"));
    put(ipam, "Config", config);
    copy(options, "com.docker.network.bridge.name", j, "bridge", no_text());
    copy(j, "Name", j, "name", no_text());
    copy(j, "Id", j, "name", no_text());
    copy(j, "ID", j, "name", no_text());
    put(j, "Driver", json_string("bridge"));
    put(j, "Scope", json_string("local"));
    copy(j, "Created", j, "created", no_text());
    copy(j, "CreatedAt", j, "created", no_text());
    copy(j, "Internal", j, "internal", json_false());
    put(j, "EnableIPv6", json_boolean(json_str(j, "subnet6")));
    put(j, "IPv6", json_boolean(json_str(j, "subnet6")));
    put(j, "Containers", members_of(j));
    put(j, "Labels", labels_of(j));
    put(j, "Options", options);
    put(j, "IPAM", ipam);
}

/* ---- others ----------------------------------------------------------------------------------*/

void view_event(json_t *j)
{
    json_t *actor = json_object(), *attributes = json_object(), *value;
    const char *key, *when = json_str(j, "time");
    int64_t ns = 0;
    json_object_foreach (j, key, value)
        if (!streq(key, "time") && !streq(key, "type") && !streq(key, "event") && !streq(key, "id"))
            json_object_set(attributes, key, value);
    json_t *id = json_object_get(j, "id");
    if (!id)
        id = json_object_get(j, "name");
    put(actor, "ID", id ? json_incref(id) : no_text());
    put(actor, "Attributes", attributes);
    put(j, "ID", id ? json_incref(id) : no_text());
    put(j, "Actor", actor);
    copy(j, "Type", j, "type", no_text());
    copy(j, "Action", j, "event", no_text());
    copy(j, "Status", j, "event", no_text());
    if (when && time_parse(when, 0, &ns) < 0)
        ns = 0;
    put(j, "Time", json_integer(ns / 1000000000));
    put(j, "TimeNano", json_integer(ns));
}

void view_info(json_t *j)
{
    const int64_t running = json_int(j, "running", 0), ended = json_int(j, "ended", 0);
    copy(j, "ServerVersion", j, "version", no_text());
    copy(j, "KernelVersion", j, "kernel", no_text());
    copy(j, "Architecture", j, "machine", no_text());
    put(j, "CgroupVersion", json_string(streq(json_str(j, "cgroup"), "v2") ? "2" : "1"));
    copy(j, "DockerRootDir", j, "root", no_text());
    put(j, "OSType", json_string("linux"));
    put(j, "Driver", json_string("overlay"));
    put(j, "Containers", json_integer(running + ended));
    put(j, "ContainersRunning", json_integer(running));
    put(j, "ContainersStopped", json_integer(ended));
}
