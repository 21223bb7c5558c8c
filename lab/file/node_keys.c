/* The keys of a node; `defaults`, `kinds` and `groups` have the same. */
#include "file.h"

#define APPLY(name, shape, read, help)                    \
    {                                                     \
        name, KEY_APPLY, shape, read, help, 0, NULL, NULL \
    }
#define WITH(name, shape, read, help, table)                  \
    {                                                         \
        name, KEY_APPLY, shape, read, help, 0, &(table), NULL \
    }
#define NOTED(name, shape, read, help)                   \
    {                                                    \
        name, KEY_NOTE, shape, read, help, 0, NULL, NULL \
    }
#define SILENT(name)                                                                \
    {                                                                               \
        name, KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL \
    }

static const struct key keys[] = {
    APPLY("kind", SHAPE_TEXT, node_kind, "linux, bridge or frr (linux with FRR)"),
    APPLY("image", SHAPE_TEXT, node_image, "Root of the node; `host` is this host's own tree"),
    APPLY("group", SHAPE_TEXT, node_group, "Group whose keys it inherits; else a label"),
    APPLY("binds", SHAPE_TEXT_OR_TEXTS, node_binds, "SOURCE:TARGET[:ro], relative to this file"),
    APPLY("files", SHAPE_TEXT_MAP, node_files, "TARGET: SOURCE, copied before the program starts"),
    APPLY("exec", SHAPE_TEXT_OR_TEXTS, node_exec, "Lines to run once the links exist; no shell"),
    APPLY("env", SHAPE_TEXT_MAP, node_env, "Environment of its programs"),
    APPLY("env-files", SHAPE_TEXT_OR_TEXTS, node_env_files, "Files of KEY=VALUE; `env` wins"),
    APPLY("cmd", SHAPE_TEXT_OR_TEXTS, node_words, "Its program's arguments; no shell"),
    APPLY("entrypoint", SHAPE_TEXT_OR_TEXTS, node_words, "Its program; no shell"),
    APPLY("user", SHAPE_TEXT, node_user, "NAME, UID or USER:GROUP"),
    APPLY("ports", SHAPE_TEXT_OR_TEXTS, node_ports, "[IP:]HOST:PORT[/tcp|udp]"),
    APPLY("mgmt-ipv4", SHAPE_TEXT, node_mgmt4, "IPv4 address on the management network"),
    APPLY("mgmt-ipv6", SHAPE_TEXT, node_mgmt6, "IPv6 address on the management network"),
    APPLY("network-mode", SHAPE_TEXT, node_mode, "none, host, bridge or container:NAME"),
    APPLY("networks", SHAPE_TEXT_OR_TEXTS, node_networks, "NAME[:ip=…,…] of this file's networks"),
    APPLY("gateway", SHAPE_TEXT_OR_TEXTS, node_gateway,
          "Routers of the default routes, one a family"),
    APPLY("sysctls", SHAPE_TEXT_MAP, node_sysctls, "NAME: VALUE, of its own namespaces"),
    APPLY("cap-add", SHAPE_TEXT_OR_TEXTS, node_caps, "Capabilities to add"),
    APPLY("memory", SHAPE_TEXT, node_memory, "Limit, as in 512m or 1g"),
    APPLY("cpu", SHAPE_NUMBER, node_cpu, "Limit of processors, as in 0.5"),
    WITH("dns", SHAPE_TABLE, node_dns, "Its resolv.conf", table_dns),
    APPLY("aliases", SHAPE_TEXT_OR_TEXTS, node_aliases, "More names in DNS"),
    APPLY("hostname", SHAPE_TEXT, node_hostname, "Its host name; the node's name if not given"),
    APPLY("labels", SHAPE_TEXT_MAP, node_labels, "NAME: VALUE"),
    APPLY("startup-delay", SHAPE_TEXT, node_delay, "Time before its program starts, in seconds"),
    APPLY("restart-policy", SHAPE_TEXT, node_restart, "no, on-failure[:N], always, unless-stopped"),
    APPLY("tty", SHAPE_FLAG, node_tty, "false: its program gets no terminal"),
    APPLY("startup-config", SHAPE_TEXT, node_startup_config,
          "kind frr: file for /etc/frr/frr.conf"),
    WITH("stages", SHAPE_TABLE, node_stages, "What to wait for and to run in each stage",
         table_stages),
    WITH("healthcheck", SHAPE_TABLE, node_health, "When the node counts as healthy", table_health),

    WITH("extras", SHAPE_TABLE, node_extras, "kind frr: frr.daemons", table_extras),

    NOTED("publish", SHAPE_TEXT_OR_TEXTS, node_ports, "read as `ports`; rename it"),
    NOTED("mgmt_ipv4", SHAPE_TEXT, node_mgmt4, "read as `mgmt-ipv4`; rename it"),
    NOTED("mgmt_ipv6", SHAPE_TEXT, node_mgmt6, "read as `mgmt-ipv6`; rename it"),
    NOTED("wait-for", SHAPE_TEXT_OR_TEXTS, node_wait_for,
          "read as `stages.create.wait-for`; move it there"),
    NOTED(
        "privileged", SHAPE_ANY, NULL,
        "a node is never privileged; it has NET_ADMIN, NET_RAW and SYS_ADMIN in namespaces of its own"),
    NOTED("cpu-set", SHAPE_TEXT, node_cpu_set,
          "accepted without effect; `taskset -c LIST` in `cmd` binds a program to processors"),
    NOTED("shm-size", SHAPE_ANY, NULL, "accepted without effect; /dev/shm has the usual size"),
    NOTED("tmpfs", SHAPE_ANY, NULL, "accepted without effect"),
    NOTED("devices", SHAPE_ANY, NULL, "accepted without effect; nodes have the usual devices"),
    NOTED("pid-mode", SHAPE_ANY, NULL,
          "accepted without effect; each node has processes of its own"),
    NOTED("cgroup", SHAPE_ANY, NULL, "accepted without effect"),
    NOTED("cgroup-parent", SHAPE_ANY, NULL, "accepted without effect"),
    NOTED("cgroupns-mode", SHAPE_ANY, NULL, "accepted without effect"),
    NOTED("security-opts", SHAPE_ANY, NULL, "accepted without effect"),
    NOTED("auto-remove", SHAPE_ANY, NULL,
          "accepted without effect; `netctr lab down` removes nodes"),
    NOTED("volumes", SHAPE_ANY, NULL, "accepted without effect; write `binds`"),
    NOTED("ulimits", SHAPE_ANY, NULL, "accepted without effect"),

    SILENT("SANs"),
    SILENT("image-pull-policy"),
    SILENT("runtime"),
    SILENT("type"),
    SILENT("license"),
    SILENT("position"),
    SILENT("certificate"),
    SILENT("credentials"),
    SILENT("components"),
    SILENT("config"),
    SILENT("link-apply-mode"),
    SILENT("username"),
    SILENT("password"),
    SILENT("enforce-startup-config"),
    SILENT("suppress-startup-config"),
    SILENT("startup-config-mode"),
};
TABLE(table_node, "a node", keys);
