/* What an asker is told, as RUN/dns has it at this moment. Only by system calls that are allowed in the
 * server's sandbox, and relative to the directory.
 */
#pragma once

#include "names/dns.h"

#define LOOKUP_SERVERS 4 /**< of those that questions are passed on to; the others are not asked */

enum lookup { LOOKUP_TELL, LOOKUP_FORWARD, LOOKUP_REFUSE, LOOKUP_FAIL };
struct finding {
    struct dns_record *records; /**< to tell */
    size_t count;
    char *name;                        /**< that a record refers to */
    struct ip servers[LOOKUP_SERVERS]; /**< to forward to */
    size_t server_count;
};
void finding_clear(struct finding *f);
#define _cleanup_finding_ __attribute__((cleanup(finding_clear), unused))

/** Of more than @most records, at least one more than that many is found. */
enum lookup lookup(int dir, const struct ip *asker, const struct dns_question *q, size_t most,
                   struct finding *out);

/** The flags of all that is opened, for the sandbox. */
#define LOOKUP_OPEN_FILE (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define LOOKUP_OPEN_DIRECTORY (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY)
