/* netctr's JSON with docker's names added, for templates. */
#pragma once

#include "cli.h"

/** Adds docker's fields to what `inspect` shows of a container. */
void view_container(json_t *j);
/** The same of a network; of what `network ls` shows, too. */
void view_network(json_t *j);
void view_event(json_t *j);
void view_info(json_t *j);
/** Leaves docker's fields, which begin with a capital, and removes netctr's own. */
void view_only(json_t *j);
