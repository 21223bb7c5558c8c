/* Answers a question from the present contents of RUN/dns. Uses only system calls that the server's
 * confinement allows, relative to the directory. */
#pragma once

#include "names/dns.h"

#define LOOKUP_SERVERS 4 /**< at most this many servers are asked when a question is forwarded */

enum lookup { LOOKUP_TELL, LOOKUP_FORWARD, LOOKUP_REFUSE, LOOKUP_FAIL };
struct lookup_result {
    struct dns_record *records; /**< of the answer */
    size_t count;
    char *name;                        /**< the name that a record points to */
    struct ip servers[LOOKUP_SERVERS]; /**< to forward to */
    size_t server_count;
};
void lookup_result_clear(struct lookup_result *f);
#define _cleanup_lookup_result_ __attribute__((cleanup(lookup_result_clear), unused))

/** Looks up @q for @asker. Finds at least @most + 1 records if there are more than @most. */
enum lookup lookup(int dir, const struct ip *asker, const struct dns_question *q, size_t most,
                   struct lookup_result *out);

/** Flags of everything that is opened, for the confinement. */
#define LOOKUP_OPEN_FILE (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define LOOKUP_OPEN_DIRECTORY (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY)
