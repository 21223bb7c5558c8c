/* down.c, as up.c uses it. Private. */
#pragma once

#include "lab.h"

/** Finds what a lab without a readable record has, by the labels of its containers. */
int lab_recover(struct engine *engine, struct lab *l, struct err *e);
/** Removes everything of @l, whose lock is held. @keep_containers: stops them, and leaves record and ids, so that `up` can
 *  take them up again. */
int lab_take_down(struct engine *engine, struct lab *l, const struct lab_options *o,
                  bool keep_containers, struct err *e);
/** Removes the programs and the sandboxes of some members: one flag for each. */
int lab_take_members(struct engine *engine, const struct lab *l, const bool *programs,
                     const bool *sandboxes, const struct lab_options *o, struct err *e);
