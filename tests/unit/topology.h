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

/* The faults without "/lab/a.clab.yml:". The caller frees. */
static inline char *short_faults(const struct loaded *l)
{
    _cleanup_strv_ strv lines = NULL;
    strv_each (line, l->faults.lines) {
        const char *rest = skip_prefix(line, "/lab/a.clab.yml:");
        strv_add(&lines, rest ? rest : line);
    }
    return strv_join(lines, "\n");
}

/* @head, @unit repeated @count times (with its number where it has %d), @tail. The caller frees. */
static inline char *repeated(const char *head, const char *unit, int count, const char *tail)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fputs(head, f);
    for (int i = 0; i < count; i++) {
        const char *rest = unit;
        for (const char *number; (number = strstr(rest, "%d")); rest = number + 2)
            fprintf(f, "%.*s%d", (int)(number - rest), rest, i);
        fputs(rest, f);
    }
    fputs(tail, f);
    fclose(f);
    return text;
}
