/* One line of ip(8) or sysctl(8) while it is read and done. Private to netns/iproute/.
 *
 * A line is read word by word, in the order in which ip reads it: so the first mistake is the one that ip reports. What
 * is not known to be done exactly alike is handed over to the node's own program, before anything has been changed.
 */
#pragma once

#include <netctr/iproute.h>

#include <linux/netlink.h>

struct iproute {
    int netns;  /* the caller's */
    int socket; /* rtnetlink, in that namespace */
    uint32_t sequence;
    struct sysctls sysctls;
};

enum line_state {
    LINE_READING,
    LINE_HANDED_OVER, /* not a line for this process */
    LINE_DONE,        /* @status and @output are set */
    LINE_FAILED,      /* @error: the namespace cannot be used */
};

struct line {
    struct iproute *ip;
    char *const *words; /* what is left to read */
    int family;         /* -4, -6: AF_INET, AF_INET6; else 0 */
    enum line_state state;
    int status;
    char *output;
    int error;
    struct err *e;
};

/* Exit statuses of ip: for the kernel's refusals, for most mistakes, and for exit(-1). */
enum { IP_REFUSED = 2, IP_MISTAKE = 1, IP_EXIT = 255 };

/* ---- words.c: reading ------------------------------------------------------------------------*/

void line_hand_over(struct line *l);
/** Adds to what the program would print. */
void line_print(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** The line is done, with exit status @status and this text. */
void line_finish(struct line *l, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline bool line_reading(const struct line *l)
{
    return l->state == LINE_READING;
}
/** The next word; NULL: there is none, or the line is not read any more. */
const char *line_next(struct line *l);
/** The value of an option; NULL: it is missing, which finishes the line as ip does. */
const char *line_value(struct line *l);
/** Is @word a beginning of @keyword, or all of it? As ip compares. */
bool abbreviates(const char *word, const char *keyword);
/** Of one of these (NULL-terminated)? */
bool abbreviates_any(const char *word, const char *const *keywords);
/** May it be an address or prefix, and no keyword? */
bool looks_like_address(const char *word);
/** A number as ip reads it: decimal, 0x…, 0…; at most 32 bits. */
bool number_read(const char *text, uint32_t *out);

struct prefix {
    struct ip ip; /* host bits are kept */
    unsigned length;
    bool length_given;
};
/** Reads an address or prefix of @family (0: either). False: it is none, and the line is finished. */
bool line_address(struct line *l, const char *text, int family, struct ip *out);
bool line_prefix(struct line *l, const char *text, int family, struct prefix *out);
/** Reads the value of `dev` or a like option, which only has to be something that a link may be called. */
const char *line_device(struct line *l);

/* ---- request.c: rtnetlink --------------------------------------------------------------------*/

struct request {
    struct nlmsghdr *header;
    bool full; /* there was no room for an attribute */
    char buffer[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
};
/** Begins a message; returns its family's header of @size bytes, zeroed. */
void *request_start(struct request *r, uint16_t type, uint16_t flags, size_t size);
void request_put(struct request *r, uint16_t type, const void *data, size_t size);
void request_put_u32(struct request *r, uint16_t type, uint32_t value);
void request_put_ip(struct request *r, uint16_t type, const struct ip *ip);
/** Sends it, and finishes the line with the kernel's answer in ip's words. */
void line_send(struct line *l, struct request *r);
/** The index of the link @name; 0: there is none, or the line has failed. @mac_size may be NULL. */
int line_find_link(struct line *l, const char *name, size_t *mac_size);
/** The same, and a link that is missing finishes the line as ip does. */
int line_need_link(struct line *l, const char *name);

/* ---- one file each ---------------------------------------------------------------------------*/

void address_line(struct line *l);
void route_line(struct line *l);
void link_line(struct line *l);
void sysctl_line(struct line *l);
