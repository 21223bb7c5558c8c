/* What of the host's stands in the way of containers, each with its cure. Looks only: nothing is made and
 * nothing is changed, also where no netctr has ever run.
 *
 * What there is, is gathered once; a check is a function that compares and says what it finds.
 */
#pragma once

#include <netctr/bridge.h>
#include <netctr/core.h>
#include <netctr/foreign.h>

enum severity {
    NOTE,    /**< good to know */
    WARNING, /**< it will hurt one day, or in some cases */
    PROBLEM, /**< something that should work does not */
};

struct doctor {
    const char *root, *run; /**< as they were given; they need not exist */
    struct store *store;    /**< NULL: there is no state, or not all of it */
    struct bridge *bridge;
    struct rt *rt;
    struct foreign *foreign; /**< NULL: the kernel has no nf_tables */
    struct link *links;
    size_t link_count;
    struct route *routes;
    size_t route_count;
    struct network *networks; /**< those that are defined, or what the default one would be */
    size_t network_count;
    bool any_defined;
    json_t *findings;
    bool problem;
};

/** Adds a finding; @cure is taken over. */
void doctor_say(struct doctor *d, enum severity severity, char *cure, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Adds that a file of ours is damaged, which @e tells, and clears it. */
void doctor_say_damaged(struct doctor *d, struct err *e);

struct doctor_check {
    const char *name;
    int (*run)(struct doctor *d, struct err *e);
};
/** All checks that need no more than this; the last has no name. */
extern const struct doctor_check doctor_checks[];

/** Gathers what the checks look at. @d holds root, run and store. */
int doctor_look(struct doctor *d, struct err *e);
void doctor_clear(struct doctor *d);

/* ---- for the checks --------------------------------------------------------------------------*/

const struct link *doctor_link(const struct doctor *d, const char *name); /**< or NULL */
const struct link *doctor_link_at(const struct doctor *d, int index);     /**< or NULL */
bool doctor_is_uplink(const struct doctor *d, const struct link *l);      /**< a default route's */
const char *doctor_uplink(const struct doctor *d);                        /**< the first, or NULL */
/** A sysctl as a number; @fallback when there is none. */
int64_t doctor_sysctl(int64_t fallback, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Puts these bridges into a zone that lets everything pass; caller frees. */
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
