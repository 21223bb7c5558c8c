/* Tests whether DNS servers answer: sends a question over UDP, as a resolver does, to several at
 * once. */
#include "names/dns.h"

#include <netctr/names.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { RD = 0x01, QUESTION_MAX = DNS_HEADER + DNS_NAME + 4 };

/* Builds the question. Returns its size; 0: @name is too long. */
static size_t make_question(const struct name_probe *p, uint16_t id, uint8_t out[QUESTION_MAX])
{
    memset(out, 0, DNS_HEADER);
    dns_set_id(out, id);
    out[2] = RD;
    out[5] = 1; /* one question */
    size_t at = DNS_HEADER;
    _cleanup_strv_ strv labels = *p->name ? strv_split(p->name, '.') : NULL;
    strv_each (label, labels) {
        size_t length = strlen(label);
        if (length == 0 || length > 63 || at + length + 6 > QUESTION_MAX)
            return 0;
        out[at++] = (uint8_t)length;
        memcpy(out + at, label, length);
        at += length;
    }
    const uint8_t end[] = {0, 0, (uint8_t)p->type, 0, DNS_IN};
    memcpy(out + at, end, sizeof(end));
    return at + sizeof(end);
}

struct asked {
    uint8_t question[QUESTION_MAX];
    size_t size;
    uint16_t id;
    struct dns_question parsed;
};

static bool is_open(const struct name_probe *p)
{
    return !p->answered && !p->error;
}

static void ask(struct name_probe *p, const struct asked *a)
{
    if (is_open(p) && send(p->fd, a->question, a->size, MSG_DONTWAIT) < 0 && errno != EAGAIN &&
        errno != ENOBUFS)
        p->error = errno;
}

static void take_answer(struct name_probe *p, const struct asked *a)
{
    uint8_t answer[4096];
    ssize_t n = recv(p->fd, answer, sizeof(answer), MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        p->error = errno; /* an ICMP message: nothing listens there */
    else if (n >= 0 && dns_answers(answer, (size_t)n, a->id, &a->parsed))
        p->answered = true;
}

static bool wait_until(struct name_probe *probes, const struct asked *asked, size_t count,
                       int64_t end)
{
    _cleanup_free_ struct pollfd *fds = xcalloc(count, sizeof(*fds));
    for (;;) {
        bool any = false;
        for (size_t i = 0; i < count; i++) {
            fds[i] =
                (struct pollfd){.fd = is_open(&probes[i]) ? probes[i].fd : -1, .events = POLLIN};
            any = any || fds[i].fd >= 0;
        }
        int64_t left = end - monotonic_ms();
        if (!any || left <= 0)
            return !any;
        if (poll(fds, count, (int)left) < 0 && errno != EINTR)
            return false;
        for (size_t i = 0; i < count; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                take_answer(&probes[i], &asked[i]);
    }
}

void names_probe(struct name_probe *probes, size_t count, int timeout_ms)
{
    const int tries = 2; /* a datagram may be lost */
    _cleanup_free_ struct asked *asked = xcalloc(count + 1, sizeof(*asked));
    for (size_t i = 0; i < count; i++) {
        struct asked *a = &asked[i];
        if (getrandom(&a->id, sizeof(a->id), 0) < 0)
            a->id = (uint16_t)monotonic_us();
        a->size = make_question(&probes[i], a->id, a->question);
        if (!probes[i].error && (a->size == 0 || dns_parse(a->question, a->size, &a->parsed) < 0))
            probes[i].error = EINVAL;
    }
    for (int t = 0; t < tries; t++) {
        int64_t end = monotonic_ms() + timeout_ms / tries;
        for (size_t i = 0; i < count; i++)
            ask(&probes[i], &asked[i]);
        if (wait_until(probes, asked, count, end))
            return;
    }
}
