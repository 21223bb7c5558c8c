/* Pictures of labs: nodes and links as data, and what they look like in five formats. Nothing here prints.
 *
 * The data comes from a topology file. If its lab exists, it has states and addresses as well, from the kernel. Names and
 * addresses may be hostile: they come from files and, of interfaces, from root in a node. Each format escapes them.
 */
#pragma once

#include <netctr/lab.h>

enum graph_shape {
    GRAPH_HOST,    /**< a node with one neighbour or none */
    GRAPH_ROUTER,  /**< a node with several */
    GRAPH_SWITCH,  /**< of kind `bridge` */
    GRAPH_NETWORK, /**< of `networks` */
    GRAPH_OUTSIDE, /**< the host, or its bridge of the management network */
};
enum graph_mood {
    GRAPH_UNKNOWN, /**< the lab does not exist: only the file is drawn */
    GRAPH_GOOD,
    GRAPH_BAD, /**< a program that is unhealthy, paused or restarts */
    GRAPH_GONE /**< a program that does not run, a link that carries nothing */
};
struct graph_node {
    char *name;
    enum graph_shape shape;
    enum graph_mood mood;
    char *state;    /**< a word: "running", "exited", "unhealthy"; NULL: unknown */
    unsigned tier;  /**< 0: at the bottom */
    json_t *detail; /**< for the page: image, interfaces, routes; never NULL */
};
struct graph_end {
    size_t node;      /**< index */
    char *interface;  /**< NULL: none, it is not a veth's end */
    strv addresses;   /**< "10.0.1.1/24"; without those of link scope */
    char *impairment; /**< "delay 10ms, loss 1%"; NULL: none */
};
struct graph_link {
    struct graph_end ends[2]; /**< the first one is not below the second */
    enum graph_mood mood;
    bool shared;   /**< not a link: one end uses the network of the other */
    unsigned user; /**< if shared: which end does */
};
struct graph {
    char *name;
    char *state; /**< "up", "down", "half-way"; NULL: the lab does not exist */
    struct graph_node *nodes;
    size_t node_count;
    struct graph_link *links;
    size_t link_count;
    unsigned tiers;
    json_t *tests; /**< of the file: [{text, from, to}], indexes of nodes; never NULL */
};
void graph_free(struct graph *g); /**< accepts NULL */
void graph_cleanup(struct graph **g);
#define _cleanup_graph_ __attribute__((cleanup(graph_cleanup)))

/** What a file says. The caller owns the result. */
struct graph *graph_of_file(const struct topology *t);
/** Adds what is so now. Nodes are found by name; those that the lab does not have are "absent". @deep: for the page, with
 *  all interfaces and routes. @check_ms: how long the health checks of running nodes may take together; 0: none is run. */
void graph_add_state(struct graph *g, struct engine *engine, const struct topology *t,
                     const struct lab *l, bool deep, unsigned check_ms);
/** What checks have shown in @before, an earlier graph of the same lab, for nodes that still run and were not checked. */
void graph_keep_health(struct graph *g, const struct graph *before);
/** Puts the nodes on tiers: 0 has those with one neighbour, and each other node is one above the nearest of its neighbours.
 *  The label `graph-level` of containerlab (1 is at the top) comes before that. */
void graph_tiers(struct graph *g, const unsigned *levels);

/** Takes over results of `lab test --format json`: "passed", "detail" and "ms" of each test. -EINVAL with a text: these are
 *  no results, or those of another lab. */
int graph_add_results(struct graph *g, const json_t *results, struct err *e);

/** For a terminal of @columns: a picture if it fits, else a list. The caller frees the result of these. */
char *graph_text(const struct graph *g, size_t columns);
char *graph_dot(const struct graph *g);
char *graph_mermaid(const struct graph *g);
/** By graphviz's libgvc, which is loaded when it is needed. -ENOENT with a text: it is not installed. */
int graph_svg(const struct graph *g, char **out, struct err *e);
/** One page without references to others. @watch: it fetches /state.json each second. */
char *graph_page(const struct graph *g, bool watch);
/** What the page gets as its data, in one line. No `<`, `>` or `&` is in it. */
char *graph_json(const struct graph *g);

/** A page that follows a lab, for browsers of this host. */
struct graph_site {
    /** The texts of / and of /state.json; the caller's. 0, or a negative errno with a text. */
    int (*page)(char **out, void *arg, struct err *e);
    int (*state)(char **out, void *arg, struct err *e);
    /** It listens now. */
    void (*ready)(uint16_t port, void *arg);
    void *arg;
};
/** Serves it at 127.0.0.1:@port (0: one that is free) until a signal asks it to end. -EADDRINUSE with a text. */
int graph_serve(uint16_t port, const struct graph_site *site, struct err *e);
