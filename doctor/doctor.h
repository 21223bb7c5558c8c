/* What the checks share: the facts that are gathered once, and how a finding is reported. Private to doctor/. */
#pragma once

#include <netctr/doctor.h>
#include <netctr/engine.h>
#include <netctr/nft.h>

enum severity {
    NOTE,    /**< for information */
    WARNING, /**< may fail later, or in some cases */
    PROBLEM, /**< something does not work */
};

/** A container that has a monitor, as it was when doctor read its record. */
struct doctor_container {
    char *name;
    char *network; /**< "default", "container:x", …; as spec.network */
    char *
        userns_why; /**< why it is in the host's user namespace though it should have its own; or NULL */
    strv dns;       /**< its own upstream name servers; NULL: the host's */
    enum status status;
    pid_t pid; /**< RUNNING: its first process */
    uint64_t pid_start;
    pid_t monitor;
    uint64_t monitor_start;
    struct endpoint_list endpoints; /**< empty while the container is being detached */
};

struct doctor {
    const char *root, *run; /**< as given by the user; may not exist */
    struct engine engine;
    struct store *store; /**< the store of @engine; NULL: there is no state, or only a part of it */
    struct net *bridge;  /**< of @engine */
    struct doctor_container *containers;
    size_t container_count;
    struct rt *rt;
    struct nft_snapshot
        *rules; /**< of all tables but netctr's; NULL: the kernel has no nf_tables */
    struct link *links;
    size_t link_count;
    struct route *routes;
    size_t route_count;
    struct network
        *networks; /**< those that are defined, or the default one as it would be created */
    size_t network_count;
    bool any_defined;
    json_t *findings;
};

/** Adds a finding; frees @cure. */
void doctor_say(struct doctor *d, enum severity severity, char *cure, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Adds that a state file is damaged, with the text of @e, which is cleared. */
void doctor_say_damaged(struct doctor *d, struct err *e);

struct doctor_check {
    const char *name;
    int (*run)(struct doctor *d, struct err *e);
};
/* ---- for the checks --------------------------------------------------------------------------*/

const struct link *doctor_link(const struct doctor *d, const char *name); /**< or NULL */
const struct link *doctor_link_at(const struct doctor *d, int index);     /**< or NULL */
bool doctor_is_uplink(const struct doctor *d, const struct link *l);      /**< a default route's */
const char *doctor_uplink(const struct doctor *d);                        /**< the first, or NULL */
const struct network *doctor_network(const struct doctor *d, const char *name); /**< or NULL */
/** An fd of the container's network namespace; negative when it no longer runs. */
int doctor_netns(const struct doctor_container *c);
/** Milliseconds since its first process started. */
int64_t doctor_age_ms(const struct doctor_container *c);
/** A sysctl as a number; @fallback when there is none. */
int64_t doctor_sysctl(int64_t fallback, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Commands that put these bridges into a zone that accepts everything; caller frees. */
char *firewalld_cure(char *const *bridges);

int check_forward(struct doctor *d, struct err *e);
int check_input(struct doctor *d, struct err *e);
int check_dnat(struct doctor *d, struct err *e);
int check_bridge_nf(struct doctor *d, struct err *e);
int check_forwarding(struct doctor *d, struct err *e);
int check_reverse_path(struct doctor *d, struct err *e);
int check_advertisements(struct doctor *d, struct err *e);
int check_subnets(struct doctor *d, struct err *e);
int check_nameservers(struct doctor *d, struct err *e);
int check_mtu(struct doctor *d, struct err *e);
int check_ports(struct doctor *d, struct err *e);
int check_neighbours(struct doctor *d, struct err *e);
int check_conntrack(struct doctor *d, struct err *e);
int check_kernel(struct doctor *d, struct err *e);
int check_cgroups(struct doctor *d, struct err *e);
int check_capabilities(struct doctor *d, struct err *e);
int check_expiry(struct doctor *d, struct err *e);
int check_peers(struct doctor *d, struct err *e);
int check_storage(struct doctor *d, struct err *e);
int check_names(struct doctor *d, struct err *e);
int check_inotify(struct doctor *d, struct err *e);

/* Checks of netctr's own state. */
int doctor_gather_containers(struct doctor *d, struct err *e);
int check_firewall(struct doctor *d, struct err *e);
int check_differences(struct doctor *d, struct err *e);
int check_strange_links(struct doctor *d, struct err *e);
int check_leftovers(struct doctor *d, struct err *e);
int check_drops(struct doctor *d, struct err *e);
int check_monitors(struct doctor *d, struct err *e);
int check_interfaces(struct doctor *d, struct err *e);
int check_listeners(struct doctor *d, struct err *e);
int check_name_server(struct doctor *d, struct err *e);
int check_upstream(struct doctor *d, struct err *e);
int check_default_route(struct doctor *d, struct err *e);
int check_user_namespaces(struct doctor *d, struct err *e);
int check_limits(struct doctor *d, struct err *e);
