/* The subcommands of `netctr network`: one function each, called with its own name as argv[0]. */
#pragma once

#include "cli.h"

typedef int network_verb(const struct cli *cli, const struct command *command, int argc,
                         char **argv, struct err *e);

/* network_create.c */
network_verb network_create_command;
/* network_update.c */
network_verb network_update;
/* network_list.c */
network_verb network_ls, network_inspect;
/* network_remove.c */
network_verb network_rm, network_prune, network_link_command, network_unlink_command;
/* network_forwarding.c */
network_verb network_forwarding;
/* connect.c */
network_verb network_connect, network_disconnect;
#define NETWORK_FILTERS \
    "label=K[=V], label!=K[=V], name=PART, id=PREFIX, type=custom or builtin, driver=bridge, scope=local"
/** -EINVAL with a text unless all are of NETWORK_FILTERS. (network_list.c) */
int network_filters_check(char *const *filters, struct err *e);
bool network_filters_match(char *const *filters, const struct network *n);
