/* --memory, --cpus and --pids-limit: given to `run`, or changed by `update`. As in docker, 0 means no limit. */
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The kernel refuses a quota below 1 ms of 100 ms. */
enum { CPU_MILLI_MIN = 10, CPU_DIGITS = 3 };

/* "1.5" → 1500. -E2BIG: more than three decimals. */
static int parse_cpus(const char *text, uint64_t *milli)
{
    size_t digits = strspn(text, "0123456789");
    const char *fraction = text[digits] == '.' ? text + digits + 1 : "";
    size_t places = strspn(fraction, "0123456789");
    if (!(digits + places) || fraction[places] || (text[digits] && text[digits] != '.'))
        return -EINVAL;
    if (places > CPU_DIGITS && strspn(fraction + CPU_DIGITS, "0") != places - CPU_DIGITS)
        return -E2BIG;
    /* Integer part and exactly three digits of the fraction. */
    _cleanup_free_ char *padded = xasprintf("%s000", fraction);
    _cleanup_free_ char *whole = xasprintf("%.*s%.*s", (int)digits, text, CPU_DIGITS, padded);
    return parse_u64(whole, 0, UINT64_MAX, milli);
}

static int take_cpus(const char *text, uint64_t *milli, struct err *e)
{
    long there = sysconf(_SC_NPROCESSORS_ONLN);
    int r = parse_cpus(text, milli);
    if (r == -E2BIG)
        return err_say(e, -EINVAL, "cpus `%s` has more than three decimals", text);
    if (r == -EINVAL)
        return err_say(e, r, "cpus `%s` is not a number of processors (as in 0.5, 2)", text);
    if (r < 0 || (there > 0 && *milli > (uint64_t)there * 1000))
        return err_say(e, -EINVAL, "cpus `%s` is more than the %ld processor%s of this host", text,
                       there, there == 1 ? "" : "s");
    if (*milli > 0 && *milli < CPU_MILLI_MIN)
        return err_say(e, -EINVAL, "cpus `%s` is less than 0.01, the minimum of the kernel", text);
    return 0;
}

static int take_memory(const char *text, uint64_t *bytes, struct err *e)
{
    if (parse_size(text, bytes) < 0 || *bytes > INT64_MAX / 2) /* with swap, the limit is doubled */
        return err_say(e, -EINVAL, "memory `%s` is not a size (as in 64m, 1.5g; 0: no limit)",
                       text);
    if (*bytes > 0 && *bytes < 6 << 20)
        return err_say(e, -EINVAL, "memory `%s` is less than 6m, the minimum for a container",
                       text);
    return 0;
}

/* As in podman, "-1" means no limit, too. */
static int take_pids(const char *text, struct limits *limits, struct err *e)
{
    limits->pids_by_default = !text;
    limits->pids = text ? 0 : PIDS_DEFAULT;
    if (!text || streq(text, "-1") || parse_u64(text, 0, 4194304, &limits->pids) == 0)
        return 0;
    return err_say(e, -EINVAL, "pids limit `%s` is not a number (1-4194304; 0 or -1: no limit)",
                   text);
}

int limits_parse(const char *memory, const char *cpus, const char *pids, struct limits *out,
                 struct err *e)
{
    int r = memory ? take_memory(memory, &out->memory, e) : 0;
    if (r == 0 && cpus)
        r = take_cpus(cpus, &out->cpu_milli, e);
    return r == 0 ? take_pids(pids, out, e) : r;
}

/* ---- a change --------------------------------------------------------------------------------*/

strv update_words(const struct update_request *q)
{
    strv words = NULL;
    _cleanup_free_ char *restart = q->restart_given ? restart_text(&q->restart) : NULL;
    if (q->memory_given)
        strv_add_take(&words, xasprintf("memory=%" PRIu64, q->limits.memory));
    if (q->cpus_given)
        strv_add_take(&words, xasprintf("cpu_milli=%" PRIu64, q->limits.cpu_milli));
    if (q->pids_given)
        strv_add_take(&words, xasprintf("pids=%" PRIu64, q->limits.pids));
    if (restart)
        strv_add_take(&words, xasprintf("restart=%s", restart));
    return words;
}

static int take_number(const char *text, const char *key, uint64_t *number)
{
    const char *value = skip_prefix(text, key);
    return value ? parse_u64(value, 0, INT64_MAX, number) : -ENOENT;
}

static int take_word(const char *word, struct limits *l, struct restart *restart, struct err *e)
{
    const char *policy = skip_prefix(word, "restart=");
    if (policy)
        return restart_parse(policy, restart, e);
    bool pids = take_number(word, "pids=", &l->pids) == 0;
    if (pids)
        l->pids_by_default = false;
    if (pids || take_number(word, "memory=", &l->memory) == 0 ||
        take_number(word, "cpu_milli=", &l->cpu_milli) == 0)
        return 0;
    return err_say(e, -EOPNOTSUPP, "`%s` cannot be updated", word);
}

int update_apply(const struct spec *s, char *const *words, struct limits *limits,
                 struct restart *restart, struct err *e)
{
    int r = 0;
    *limits = s->limits;
    *restart = s->restart;
    strv_each (word, words)
        if (r == 0)
            r = take_word(word, limits, restart, e);
    if (r == 0 && s->auto_remove && restart->policy != RESTART_NO)
        return err_say(
            e, -EINVAL,
            "container `%s` was made with --rm: it is removed when it has ended, and not "
            "restarted",
            s->name);
    return r;
}

int update_parse(const char *memory, const char *cpus, const char *pids, const char *restart,
                 struct update_request *q, struct err *e)
{
    *q = (struct update_request){
        .memory_given = memory, .cpus_given = cpus, .pids_given = pids, .restart_given = restart};
    int r = limits_parse(memory, cpus, pids, &q->limits, e);
    return r == 0 && restart ? restart_parse(restart, &q->restart, e) : r;
}
