/* What has to be done so that a lab becomes what a file says. Private. */
#pragma once

#include "lab.h"

/** In the order of what they cost. */
enum node_action {
    NODE_KEEP,
    NODE_LINES, /**< run those `exec` lines that are new */
    NODE_START, /**< start its program, which has ended or is gone */
    NODE_AGAIN, /**< make its container again; its namespace and its links stay */
    NODE_NEW,   /**< make all of it, what is there of it first removed */
};
enum link_action {
    LINK_KEEP,
    LINK_CHANGE, /**< addresses, MTU and impairments in place */
    LINK_NEW,    /**< make it, what is there of it first removed */
};

/** What an interrupted change left may be as any of several files said. */
struct lab_bases {
    struct topology **items; /**< owned; the first is the oldest */
    size_t count;
};

struct lab_diff {
    const struct lab_bases *bases;
    const struct topology *t;
    enum node_action *nodes; /**< one for each node of @t */
    enum link_action *links; /**< one for each link of @t */
    strv lines;              /**< for people: "+ node a", "~ link a:eth1 b:eth1: mtu" */
};
void lab_diff_clear(struct lab_diff *c);

/** Compares files. -EOPNOTSUPP with a text: something differs that cannot be changed in a lab that is up. */
int lab_compare(const struct lab_bases *bases, const struct topology *t,
                const struct lab_options *o, struct lab_diff *out, struct err *e);
/** Adds what has changed in the lab itself: programs that have ended, links and addresses that are gone. */
void lab_look_live(struct engine *engine, const struct lab *l, struct lab_diff *c);

/** The link with the same ends, in either order; NULL: none. */
const struct lab_link *lab_same_link(const struct topology *t, const struct lab_link *link,
                                     const struct topology *of);
bool lab_same_end(const struct topology *t, const struct lab_endpoint *end,
                  const struct topology *of, const struct lab_endpoint *other);
/** "a:eth1 b:eth1"; caller frees. */
char *lab_link_text(const struct topology *t, const struct lab_link *link);

/* ---- rewire.c --------------------------------------------------------------------------------*/

/** Removes what is there of a link of @t. Ends whose namespace is gone are gone. */
int wire_remove(struct engine *engine, const struct lab *l, const struct topology *t,
                const struct lab_link *link, struct err *e);
/** Gives a link that is there the addresses and the MTU of the new file. */
int wire_change(struct engine *engine, const struct lab *l, const struct lab_diff *c,
                const struct lab_link *link, struct err *e);
