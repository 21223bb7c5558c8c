/* A question from the network and its answer, and what another server might answer. The answer
 * keeps its size limit, repeats the question, and can be parsed. */
#include "fuzz.h"

#include "names/dns.h"

static size_t u16(const uint8_t *p)
{
    return (size_t)(p[0] << 8 | p[1]);
}

/* Parses what dns_answer() has built. */
static void check_answer(const struct dns_question *q, const uint8_t *answer, size_t size,
                         size_t count)
{
    size_t at = DNS_HEADER + q->question_size, told = u16(answer + 6);
    must(size >= at && answer[2] & 0x80 && u16(answer) == q->id);
    must(told == count || answer[2] & 2);
    must(q->question_size == 0 || memcmp(answer + DNS_HEADER, q->question, q->question_size) == 0);
    for (size_t i = 0; i < told; i++) {
        must(size - at >= 12 && answer[at] == 0xc0 && answer[at + 1] == DNS_HEADER);
        at += 12 + u16(answer + at + 10);
        must(at <= size);
    }
    must(size - at == (q->edns ? 11 : 0));
    if (q->question)
        must(dns_answers(answer, size, q->id, q) && !dns_answers(answer, size, q->id ^ 1, q));
}

static void answer_to(const struct dns_question *q, unsigned code, size_t count, size_t limit)
{
    struct dns_record records[200];
    _cleanup_free_ uint8_t *out = xcalloc(limit, 1);
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct dns_record){.name = "a.name"};
        if (i % 3)
            records[i].address.family = i % 3 == 1 ? AF_INET : AF_INET6;
    }
    size_t size = dns_answer(q, code, records, count, out, limit);
    must(size <= limit);
    check_answer(q, out, size, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question q, again;
    struct ip address;
    int code = dns_parse(data, size, &q);
    if (code < 0)
        return 0;
    if (q.question)
        (void)dns_answers(data, size, 0, &q);
    must(strlen(q.name) < DNS_NAME && (code || q.question));
    if (dns_reverse(q.name, &address))
        must(address.family);
    answer_to(&q, (unsigned)code, size % 200, dns_limit(&q, false));
    answer_to(&q, (unsigned)code, size % 200, dns_limit(&q, true));
    _cleanup_free_ uint8_t *copy = xcalloc(size, 1);
    memcpy(copy, data, size);
    dns_set_id(copy, 0x1234);
    must(dns_parse(copy, size, &again) == code && again.id == 0x1234 && streq(again.name, q.name));
    return 0;
}
