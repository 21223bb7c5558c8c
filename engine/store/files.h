/* What the files of engine/store/ share. Private. */
#pragma once

#include <netctr/store.h>

/* ROOT/containers/.trash/: the directories of removed containers. A layer can hold very many files: it is renamed in one
 * step, and emptied when no lock is held (store_empty_trash). Below containers/, so that it is on the same file system;
 * no name of a container begins with a dot. */
#define TRASH ".trash"

/* ids.c */
/** Makes TRASH or IDS, also in place of what is no directory. -EEXIST: it is one already. */
int make_hidden_directory(struct store *s, const char *name);
#define IDS ".ids"
enum { ID_LENGTH = 12, ID_GIVEN_MIN = 4 };
/** Could @word be the first digits of an id, as a user may give them? */
bool id_may_begin(const char *word);
/** Could @word be a whole id? */
bool id_is_whole(const char *word);
/** Before the definition is written. The store must be locked. */
int ids_add(struct store *s, const char *id, const char *name, struct err *e);
/** After it is removed; @id may be NULL. */
void ids_remove(struct store *s, const char *id);
/** The name that belongs to @id, as far as the link says; NULL: there is none. The caller frees. */
char *ids_name(struct store *s, const char *id);
/** Adds missing links and removes those without a container; calls @each for every definition with an id. The store must
 *  be locked. */
void ids_mend(struct store *s, void (*each)(struct store *s, const json_t *config));

/* ranges.c */
/** Makes the entry of the range in this definition, if it is missing. The store must be locked. */
void range_mend(struct store *s, const json_t *config);
/** Removes entries of containers that are not defined; after ids_mend(). The store must be locked. */
int ranges_sweep(struct store *s, const struct gc *gc, struct err *e);

/* config.json */
json_t *ulimits_to_json(const struct ulimits *u);           /**< the caller owns it */
void ulimits_from_json(const json_t *j, struct ulimits *u); /**< those that are there */
strv labels_from_json(json_t *j);                           /**< the caller frees */
json_t *log_options_to_json(const struct log_options *o);   /**< the caller owns it */
/** NULL: the default. -EBADMSG with a text. */
int log_options_from_json(const json_t *j, struct log_options *o, struct err *e);
void stop_to_json(const struct spec *s, json_t *j);
/** Without it: the default. -EBADMSG with a text. */
int stop_from_json(const json_t *j, struct stop_rule *out, struct err *e);
void userns_to_json(const struct spec *s, json_t *j);
/** Without them: the host's. -EBADMSG with a text. */
int userns_from_json(const json_t *j, struct spec *s, struct err *e);
/** config.json of ROOT/containers/NAME. -EBADMSG: it is damaged. */
int store_read_definition(struct store *s, const char *name, json_t **j, struct spec *spec,
                          struct err *e);

#define CONFIG_FILE "config.json"
#define STATE_FILE "state.json"
/** In a definition or a state while the container is renamed: the name before, which holds as long as its directory has
 *  it. */
#define FORMER_NAME "former_name"
/** RUN/renaming: a symbolic link, "OLD NEW". */
#define RENAMING "renaming"
/** Right after the store has been locked: ends a rename whose process was killed. (renaming.c) */
void store_settle_rename(struct store *s);

/** In the exit record of a container that `create` has made. A netctr that does not know it sees an ended one. */
#define NEVER_RAN "never_ran"

/* state.json: who monitors the container, and once it runs, which process it is. */
int container_save_state(struct container *c, struct err *e);
/** Reads it back. -EBADMSG: it is damaged, of a newer schema, or of a container other than @name (NULL: any). */
int container_read_state(int run_dir, const char *name, json_t **out, struct err *e);

/* hold.c */
/** For the monitor of a container that has ended and is started again: @dir is its directory in ROOT. -EBUSY with a text:
 *  its files are being copied. The lock lasts as long as @dir is open. */
int container_share_files(int dir, const char *name, struct err *e);
/** For a command that copies files of a container that has ended: an fd that keeps it from being started. -EBUSY with a
 *  text. */
int container_hold_files(struct store *s, const struct record *r, struct err *e);

/** Finds out with few system calls that container @name lives, and reads its state. False: it does not, or that has to be
 *  found out by the lock. */
bool container_read_living(struct store *s, const char *name, json_t **out);

/** -EEXIST with a text: a container has the name, or remains of one. (container.c) */
int store_require_free(struct store *store, const char *name, struct err *e);

/** store_try_lock() with the state that has just been read from there; NULL: it is read if it is needed. */
int try_lock_of(int live_dir, const json_t *state);

/** Writes the file `flags` of a new run directory. -errno. */
int flags_create(int run_dir);

/* pid_file.c */
/** Before the program runs. */
int pid_file_write(struct container *c, struct err *e);
/** When it has ended. Idempotent. */
void pid_file_remove(struct container *c);

/** What core needs to know of @s; its pointers are those of @s and @instance. The process's directories are missing. */
struct plan spec_plan(const struct spec *s, const char *instance);
/** Makes the plan of @c's process follow its spec, when that has been read or replaced. */
void container_plan(struct container *c);
/** After a run: asks the kernel how many processes it has killed for want of memory. The cgroup must still exist. */
void container_note_memory(struct container *c);
/** Emits "die", if "start" was emitted for this run. */
void container_tell_death(struct container *c, int exit_status);

/** Makes sure that ROOT and RUN still belong to this store, and that they do as long as the fd is open. The store must
 *  be locked. */
int store_hold_binding(struct store *s, struct err *e);
/** Why the lock in @dir, whose path is @path, was not obtained. */
int store_cannot_lock(int code, int dir, const char *path, struct err *e);

/** Marks a ROOT or RUN in which nothing but `containers` exists as a state directory. (state_dir.c) */
void state_dir_mark_new(int dir);
