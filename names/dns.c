/* A question consists of a header, name, type, class, and perhaps an OPT record. The answer repeats
 * the bytes of the question, and its records point to the name in it. */
#include "names/dns.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum {
    QR = 0x8000,
    OPCODE = 0x7800,
    AA = 0x0400,
    TC = 0x0200,
    RD = 0x0100,
    RA = 0x0080,
    CD = 0x0010,
};
#define POINTER_TO_NAME (0xc000 | DNS_HEADER)
#define OPT_SIZE 11

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint8_t *put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
    return p + 2;
}

uint16_t dns_id(const uint8_t *data)
{
    return get16(data);
}

void dns_set_id(uint8_t *data, uint16_t id)
{
    (void)put16(data, id);
}

unsigned dns_code_of(const uint8_t *data)
{
    return data[3] & 15;
}

/* ---- questions -------------------------------------------------------------------------------*/

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* Returns the offset behind the name at @at, or 0. Compression pointers are invalid here: nothing
 * precedes the name. */
static size_t parse_name(const uint8_t *data, size_t size, size_t at, struct dns_question *q)
{
    size_t begin = at, length = 0;
    q->plain = true;
    for (;;) {
        if (at >= size)
            return 0;
        uint8_t label = data[at++];
        if (label > 63 || label > size - at || at + label - begin > DNS_NAME)
            return 0;
        if (label == 0)
            break;
        if (length)
            q->name[length++] = '.';
        for (uint8_t i = 0; i < label; i++) {
            uint8_t c = data[at++];
            c = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
            q->plain = q->plain && is_plain(c);
            q->name[length++] = (char)c;
        }
    }
    q->name[length] = '\0';
    q->plain = q->plain && length;
    return at;
}

/* Returns the offset behind the owner name of a record, or 0. It may be or end with a pointer,
 * which is not followed. */
static size_t skip_owner(const uint8_t *data, size_t size, size_t at)
{
    for (size_t begin = at; at < size && at - begin < DNS_NAME;) {
        uint8_t label = data[at++];
        if (label == 0)
            return at;
        if (label >= 0xc0)
            return at < size ? at + 1 : 0;
        if (label > 63 || label > size - at)
            return 0;
        at += label;
    }
    return 0;
}

/* Parses what follows the question. Only one OPT record matters. */
static int parse_additional(const uint8_t *data, size_t size, size_t at, unsigned count,
                            struct dns_question *q)
{
    unsigned version = 0;
    for (; count; count--) {
        size_t owner = at;
        at = skip_owner(data, size, at);
        if (!at || size - at < 10)
            return DNS_FORMERR;
        const uint8_t *record = data + at;
        size_t length = get16(record + 8);
        if (length > size - at - 10)
            return DNS_FORMERR;
        at += 10 + length;
        if (get16(record) != DNS_OPT)
            continue;
        if (q->edns || data[owner] != 0)
            return DNS_FORMERR;
        q->edns = true;
        q->payload = get16(record + 2);
        version = record[5];
    }
    return version ? DNS_BADVERS : 0;
}

int dns_parse(const uint8_t *data, size_t size, struct dns_question *q)
{
    *q = (struct dns_question){0};
    if (size < DNS_HEADER || get16(data + 2) & QR)
        return -EBADMSG;
    q->id = get16(data);
    q->flags = get16(data + 2);
    if (q->flags & OPCODE)
        return DNS_NOTIMP;
    if (size > DNS_QUESTION || get16(data + 4) != 1 || get16(data + 6) || get16(data + 8))
        return DNS_FORMERR;
    size_t at = parse_name(data, size, DNS_HEADER, q);
    if (!at || size - at < 4)
        return DNS_FORMERR;
    q->type = get16(data + at);
    q->class = get16(data + at + 2);
    q->question = data + DNS_HEADER;
    q->question_size = at + 4 - DNS_HEADER;
    return parse_additional(data, size, at + 4, get16(data + 10), q);
}

size_t dns_limit(const struct dns_question *q, bool tcp)
{
    if (tcp)
        return UINT16_MAX;
    if (!q->edns || q->payload < DNS_PLAIN)
        return DNS_PLAIN;
    return q->payload < DNS_SAFE ? q->payload : DNS_SAFE;
}

/* ---- answers ---------------------------------------------------------------------------------*/

/* Writes the name in wire format. Returns its size, or 0 if it is not a name. */
static size_t name_to_wire(const char *name, uint8_t *out)
{
    size_t size = 0;
    for (const char *label = name; *label;) {
        size_t length = strcspn(label, ".");
        if (length == 0 || length > 63 || size + length + 2 > DNS_NAME)
            return 0;
        out[size++] = (uint8_t)length;
        memcpy(out + size, label, length);
        size += length;
        label += length + (label[length] == '.');
    }
    out[size++] = 0;
    return size;
}

/* Returns the end of the record, or NULL if there is no room. */
static uint8_t *put_record(uint8_t *p, const uint8_t *end, const struct dns_record *record)
{
    uint8_t name[DNS_NAME];
    const uint8_t *data = record->address.bytes;
    size_t size = ip_size(&record->address);
    unsigned type = record->address.family == AF_INET ? DNS_A : DNS_AAAA;
    if (!record->address.family) {
        data = name;
        size = name_to_wire(record->name, name);
        type = DNS_PTR;
    }
    if (size == 0) /* a name that does not fit the wire format is left out */
        return p;
    if ((size_t)(end - p) < 12 + size)
        return NULL;
    p = put16(p, POINTER_TO_NAME);
    p = put16(p, type);
    p = put16(p, DNS_IN);
    p = put16(put16(p, 0), 0); /* TTL 0: it may change at any moment */
    p = put16(p, (unsigned)size);
    memcpy(p, data, size);
    return p + size;
}

static uint8_t *put_opt(uint8_t *p, unsigned code)
{
    *p++ = 0;
    p = put16(p, DNS_OPT);
    p = put16(p, DNS_SAFE);
    *p++ = (uint8_t)(code >> 4);
    *p++ = 0;
    p = put16(p, 0);
    return put16(p, 0);
}

size_t dns_answer(const struct dns_question *q, unsigned code, const struct dns_record *records,
                  size_t count, uint8_t *out, size_t limit)
{
    const uint8_t *end = out + limit - (q->edns ? OPT_SIZE : 0);
    unsigned flags = QR | RA | (q->flags & (OPCODE | RD | CD)) | (code & 15);
    uint8_t *p = out + DNS_HEADER;
    unsigned told = 0;
    if (q->question) {
        memcpy(p, q->question, q->question_size);
        p += q->question_size;
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t *next = put_record(p, end, &records[i]);
        if (!next) {
            flags |= TC;
            break;
        }
        told += next != p;
        p = next;
    }
    if (code == DNS_NOERROR || code == DNS_NXDOMAIN)
        flags |= AA;
    if (q->edns)
        p = put_opt(p, code);
    put16(out, q->id);
    put16(out + 2, flags);
    put16(out + 4, q->question ? 1 : 0);
    put16(out + 6, told);
    put16(out + 8, 0);
    put16(out + 10, q->edns ? 1 : 0);
    return (size_t)(p - out);
}

/* A server that did not understand the question may leave it out of its answer, which then only
 * holds an error code. */
bool dns_answers(const uint8_t *data, size_t size, uint16_t id, const struct dns_question *q)
{
    if (size < DNS_HEADER || get16(data) != id || !(get16(data + 2) & QR))
        return false;
    if (get16(data + 4) == 0)
        return dns_code_of(data) != DNS_NOERROR && dns_code_of(data) != DNS_NXDOMAIN;
    return get16(data + 4) == 1 && size - DNS_HEADER >= q->question_size &&
           memcmp(data + DNS_HEADER, q->question, q->question_size) == 0;
}

/* ---- addresses as names ----------------------------------------------------------------------*/

static bool reverse4(const char *name, struct ip *out)
{
    *out = (struct ip){.family = AF_INET};
    for (int i = 3; i >= 0; i--) {
        size_t digits = strspn(name, "0123456789");
        unsigned value = 0;
        if (digits == 0 || digits > 3 || (digits > 1 && *name == '0') || name[digits] != '.')
            return false;
        for (; digits; digits--)
            value = value * 10 + (unsigned)(*name++ - '0');
        if (value > 255)
            return false;
        out->bytes[i] = (uint8_t)value;
        name++;
    }
    return streq(name, "in-addr.arpa");
}

static bool reverse6(const char *name, struct ip *out)
{
    static const char digits[] = "0123456789abcdef";
    *out = (struct ip){.family = AF_INET6};
    for (int i = 0; i < 32; i++, name += 2) {
        const char *digit = *name ? strchr(digits, *name) : NULL;
        if (!digit || name[1] != '.')
            return false;
        out->bytes[15 - i / 2] |= (uint8_t)((digit - digits) << (i % 2 ? 4 : 0));
    }
    return streq(name, "ip6.arpa");
}

bool dns_reverse(const char *name, struct ip *out)
{
    return reverse4(name, out) || reverse6(name, out);
}
