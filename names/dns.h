/* DNS on the wire (RFC 1035, RFC 6891): parses questions and builds answers in buffers. No I/O, no
 * allocation. */
#pragma once

#include <netctr/base.h>

#define DNS_HEADER 12
#define DNS_NAME 255      /**< bytes of a name in wire format */
#define DNS_QUESTION 1280 /**< longer questions are invalid */
#define DNS_PLAIN 512     /**< bytes of a UDP answer without EDNS */
#define DNS_SAFE 1232     /**< largest UDP answer that passes everywhere without fragmentation */

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
    DNS_BADVERS = 16, /**< too large for the header: the upper bits are in the OPT record */
};

struct dns_question {
    uint16_t id, flags;      /**< as in the header */
    const uint8_t *question; /**< name, type and class as received; NULL: not understood */
    size_t question_size;
    uint16_t type, class;
    bool edns;               /**< there was an OPT record with: */
    uint16_t payload;        /**< the largest answer accepted */
    bool plain;              /**< the name has only characters of container names; if so, */
    char name[DNS_NAME + 1]; /**< in lower case, labels joined by dots */
};

/** Parses @data. Returns 0, or the error code to answer with, or -EBADMSG if no answer is
 *  possible. */
int dns_parse(const uint8_t *data, size_t size, struct dns_question *q);

/** The largest answer allowed, in bytes. */
size_t dns_limit(const struct dns_question *q, bool tcp);

struct dns_record {
    struct ip address; /**< A or AAAA; family 0: */
    const char *name;  /**< PTR */
};
/** Writes the answer to @out, which holds @limit bytes, at least DNS_PLAIN. If not all @count
 *  records fit, the answer has fewer and the TC flag. Returns its size. */
size_t dns_answer(const struct dns_question *q, unsigned code, const struct dns_record *records,
                  size_t count, uint8_t *out, size_t limit);

/** Does the message answer question @q with this id? */
bool dns_answers(const uint8_t *data, size_t size, uint16_t id, const struct dns_question *q);
unsigned dns_code_of(const uint8_t *data);   /**< the answer's error code */
void dns_set_id(uint8_t *data, uint16_t id); /**< of a question or an answer */
uint16_t dns_id(const uint8_t *data);

/** Parses a lower-case name below in-addr.arpa or ip6.arpa. False if it is not an address. */
bool dns_reverse(const char *name, struct ip *out);
