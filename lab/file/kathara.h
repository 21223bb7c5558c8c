/* The lab.conf of a Kathara lab, read, and the topology file that is written from it. Private to kathara*.c. */
#pragma once

#include "file.h"

enum {
    CONF_MAX = 256 << 10, /* bytes of a lab.conf */
    CONF_LINES_MAX = 10000,
    CONF_MACHINES_MAX = 1000,
};

/** What becomes of a key. */
enum conf_use {
    CONF_TEXT,  /**< a key of the node with one value: the last one counts */
    CONF_MAP,   /**< NAME=VALUE */
    CONF_ITEM,  /**< an item of a list */
    CONF_OWN,   /**< `ipv6` and `bridged` */
    CONF_NOTED, /**< none; @as says why */
};
struct conf_key {
    const char *name, *as;
    enum conf_use use;
};
enum { CONF_KEYS = 14 };
extern const struct conf_key conf_keys[CONF_KEYS];

struct conf_setting {
    size_t machine, key; /**< index in conf_keys */
    char *name, *value;  /**< @name: of CONF_MAP */
    unsigned line;
    bool dead; /**< a later one counts */
};
/** MACHINE[NUMBER]=DOMAIN */
struct conf_port {
    size_t machine, domain;
    unsigned number, line;
    char *mac; /**< NULL: none */
};
struct conf_machine {
    char *name;
    unsigned line;
    bool ipv6, bridged;
    unsigned free; /**< number after its highest interface */
};
struct conf {
    struct reader *r;
    int dir; /**< the folder */
    struct conf_machine *machines;
    struct conf_setting *settings;
    struct conf_port *ports;
    char *name; /**< LAB_NAME */
    strv domains;
    size_t machine_count, setting_count, port_count, domain_count;
};

/** Is there a machine of this name? Its index, or SIZE_MAX. */
size_t conf_machine(const struct conf *c, const char *name);
/** Reads the lines of a lab.conf. False, after a fault: there is no machine. */
bool conf_read(struct conf *c, const char *text, size_t size);
void conf_clear(struct conf *c);
