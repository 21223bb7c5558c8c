/* DNS on the wire (RFC 1035, 6891): questions are taken apart and answers put together, in buffers. No input
 * or output, no memory of its own.
 */
#pragma once

#include <netctr/netns.h>

#define DNS_HEADER 12
#define DNS_NAME 255      /**< bytes of a name on the wire */
#define DNS_QUESTION 1280 /**< a longer question is none */
#define DNS_PLAIN 512     /**< bytes of an answer to whoever does not say more */
#define DNS_SAFE 1232     /**< as many as get through everywhere without fragments */

enum dns_type {
    DNS_A = 1,
    DNS_PTR = 12,
    DNS_AAAA = 28,
    DNS_OPT = 41,
    DNS_ANY = 255,
};
enum { DNS_IN = 1, DNS_ANY_CLASS = 255 };

enum dns_code {
    DNS_NOERROR,
    DNS_FORMERR,
    DNS_SERVFAIL,
    DNS_NXDOMAIN,
    DNS_NOTIMP,
    DNS_REFUSED,
    DNS_BADVERS = 16, /**< more than the header holds: the rest is in the OPT record */
};

struct dns_question {
    uint16_t id, flags;      /**< as in the header */
    const uint8_t *question; /**< name, type and class as they came; NULL: not understood */
    size_t question_size;
    uint16_t type, class;
    bool edns;               /**< there was an OPT record, which says: */
    uint16_t payload;        /**< how long an answer may be */
    bool plain;              /**< the name is made of what names of containers are made of: */
    char name[DNS_NAME + 1]; /**< in small letters, with dots between its labels */
};

/** Takes @data apart. 0; or the code that it is to be answered with; or -EBADMSG: not even that. */
int dns_parse(const uint8_t *data, size_t size, struct dns_question *q);

/** How long an answer may be. */
size_t dns_limit(const struct dns_question *q, bool tcp);

struct dns_record {
    struct ip address; /**< A or AAAA; or, with family 0: */
    const char *name;  /**< PTR */
};
/** The answer in @out, which has room for @limit bytes, at least DNS_PLAIN. With fewer records than @count,
 *  and marked as cut off, if not all have room. Returns its size. */
size_t dns_answer(const struct dns_question *q, unsigned code, const struct dns_record *records,
                  size_t count, uint8_t *out, size_t limit);

/** Is this the answer to the question @q with this id? */
bool dns_answers(const uint8_t *data, size_t size, uint16_t id, const struct dns_question *q);
unsigned dns_code_of(const uint8_t *data);   /**< of an answer */
void dns_set_id(uint8_t *data, uint16_t id); /**< of a question or an answer */
uint16_t dns_id(const uint8_t *data);

/** The address that a name under in-addr.arpa or ip6.arpa, in small letters, stands for. */
bool dns_reverse(const char *name, struct ip *out);
