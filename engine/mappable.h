/* Can the ids of a container's files be mapped? Private to engine/. */
#pragma once

#include <netctr/store.h>

/** Does the kernel know idmapped mounts (Linux 5.12), and @overlay: as layers of an overlay (5.19)? */
bool mappable_kernel(bool overlay);
/** The same, and does it allow user namespaces? -ENOTSUP with a text: why not. */
int mappable_host(bool overlay, struct err *e);
/** Can the files in @dir be mapped? -ENOTSUP with a text. */
int mappable_try(const char *dir, struct err *e);
/** Can the root directory and the volumes of @spec be mapped by @m, the ids of @userns? -ENOTSUP with a text: what cannot.
 *  Changes nothing but RUN/mappable, where it remembers a good answer. */
int mappable_check(struct store *s, const struct spec *spec, const struct id_map *m, int userns,
                   struct err *e);
/** The start has shown that what is remembered of its root directory is wrong. */
void mappable_forget(struct store *s, const struct spec *spec);
