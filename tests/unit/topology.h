/* Shared by the tests of lab topologies: a text as a file of a directory. */
#include "check.h"

#include <netctr/topology.h>

/** A topology in memory, or its faults. */
struct loaded {
    struct topology *t;
    struct topology_faults faults;
};

static char *const lab_environ[] = {(char *)"HOME=/home/me", (char *)"SET=value",
                                    (char *)"EMPTY=", NULL};

static inline struct loaded load_at(const char *path, const char *text, bool skip_binds)
{
    struct loaded l = {0};
    const struct topology_options options = {.environ = lab_environ, .skip_binds = skip_binds};
    (void)topology_parse(text, strlen(text), path, &options, &l.t, &l.faults, NULL);
    return l;
}

/** The text as /lab/a.clab.yml, whose binds need not exist. */
static inline struct loaded load(const char *text)
{
    return load_at("/lab/a.clab.yml", text, true);
}

static inline void loaded_clear(struct loaded *l)
{
    topology_free(l->t);
    topology_faults_clear(&l->faults);
}
#define _cleanup_loaded_ __attribute__((cleanup(loaded_clear)))

/** All faults, or notes, in lines. The caller frees. */
static inline char *lines_of(const struct loaded *l)
{
    return strv_join(l->t ? l->t->notes : l->faults.lines, "\n");
}
