/* The commands below `netctr network`: one function each, called with its own name as argv[0]. */
#pragma once

#include "cli.h"

typedef int network_verb(const struct cli *cli, const struct command *command, int argc,
                         char **argv, struct err *e);

/* network_create.c */
network_verb network_create_command;
/* network_list.c */
network_verb network_ls, network_inspect;
/* network_remove.c */
network_verb network_rm, network_prune, network_link_command, network_unlink_command;
/* network_forwarding.c */
network_verb network_forwarding;
/* connect.c */
network_verb network_connect, network_disconnect;
/** Disconnects a container, and warns if that has taken published ports from it. */
int disconnect_container(struct engine *engine, const char *name, const char *network,
                         struct err *e);

/** `--filter label=K[=V]`, `label!=K[=V]` and `name=PART`: -EINVAL with a text unless all are such.
 *  (network_list.c) */
int network_filters_check(char *const *filters, struct err *e);
bool network_filters_match(char *const *filters, const struct network *n);
/** Whether @r was started with `--network @network`. (network_remove.c) */
bool record_names_network(const struct record *r, const char *network);
/** The names of all networks, sorted; caller frees. (network_list.c) */
int network_names(struct net *net, strv *names, struct err *e);
