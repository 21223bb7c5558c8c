/* What happens to a question: it is dropped, answered from the names that the server knows, or forwarded. */
#include "names/server.h"

static enum verdict answer(const struct dns_question *q, unsigned code,
                           const struct lookup_result *f, bool tcp, uint8_t *out, size_t *out_size)
{
    *out_size = dns_answer(q, code, f->records, f->count, out, dns_limit(q, tcp));
    return VERDICT_ANSWER;
}

enum verdict server_decide(struct server *s, const struct ip *asker, const uint8_t *data,
                           size_t size, bool tcp, struct dns_question *q, struct lookup_result *f,
                           uint8_t *out, size_t *out_size)
{
    int code = dns_parse(data, size, q);
    if (code < 0)
        return VERDICT_DROP;
    if (code > 0)
        return answer(q, (unsigned)code, f, tcp, out, out_size);
    /* An address takes at least 16 bytes. */
    switch (lookup(s->names, asker, q, dns_limit(q, tcp) / 16, f)) {
    case LOOKUP_TELL: return answer(q, DNS_NOERROR, f, tcp, out, out_size);
    case LOOKUP_REFUSE: return answer(q, DNS_REFUSED, f, tcp, out, out_size);
    case LOOKUP_FORWARD:
        if (f->server_count)
            return VERDICT_FORWARD;
        break;
    case LOOKUP_FAIL: break;
    }
    lookup_result_clear(f);
    return answer(q, DNS_SERVFAIL, f, tcp, out, out_size);
}
