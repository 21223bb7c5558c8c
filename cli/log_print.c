/* Prints a log's entries as the program wrote them.
 *
 * The order of the two streams is kept: one is flushed before the other is written to. A line gets one time,
 * however many entries it consists of. When both streams go to the same place with times or names, lines are assembled
 * first, so that none is printed into the middle of another.
 */
#include "log_print.h"

#include <errno.h>
#include <string.h>

/* Errors of stderr are ignored: they could not be reported anywhere. */
static void note_error(struct log_printer *p)
{
    if (!p->error && ferror(p->out))
        p->error = errno ? -errno : -EIO;
}

static bool has_heads(const struct log_printer *p)
{
    return p->times || p->name;
}

static void print_text(struct log_printer *p, enum log_kind kind, const char *time,
                       const char *text, size_t size, bool ends)
{
    FILE *out = kind == LOG_STDOUT ? p->out : p->err;
    if (p->last && p->last != out)
        fflush(p->last);
    p->last = out;
    if (has_heads(p) && p->one_place && p->unended && p->unended != (int)kind + 1) {
        fputc('\n', out);
        p->begun[p->unended - 1] = false;
    }
    if (p->name && !p->begun[kind])
        fprintf(out, "%s ", p->name);
    if (p->times && !p->begun[kind])
        fprintf(out, "%.*s ", LOG_TIME_SIZE, time);
    fwrite(text, 1, size, out);
    if (ends)
        fputc('\n', out);
    note_error(p);
    p->begun[kind] = !ends;
    p->unended = ends ? 0 : (int)kind + 1;
}

static void print_held(struct log_printer *p, enum log_kind kind, bool ends)
{
    struct log_held *held = &p->held[kind];
    if (held->any)
        print_text(p, kind, held->time, held->text, held->size, ends);
    held->any = false;
    held->size = 0;
}

static void hold(struct log_printer *p, enum log_kind kind, const char *time, const char *text,
                 size_t size)
{
    struct log_held *held = &p->held[kind];
    if (held->size + size > sizeof(held->text))
        print_held(p, kind, false);
    if (!held->any)
        memcpy(held->time, time, LOG_TIME_SIZE);
    held->any = true;
    const size_t room = sizeof(held->text) - held->size, most = size < room ? size : room;
    memcpy(held->text + held->size, text, most);
    held->size += most;
}

static bool is_out_of_range(const struct log_printer *p, const char *time)
{
    return (*p->since && memcmp(time, p->since, LOG_TIME_SIZE) < 0) ||
           (*p->until && memcmp(time, p->until, LOG_TIME_SIZE) > 0);
}

void log_print(struct log_printer *p, const char *line, size_t size, uint64_t skip[LOG_KINDS])
{
    struct log_entry entry;
    if (!log_entry_parse(line, size, &entry)) {
        p->damaged++;
        return;
    }
    const enum log_kind kind = entry.kind;
    if (skip[kind]) {
        skip[kind]--;
        return;
    }
    if (!p->inside[kind])
        p->left_out[kind] = is_out_of_range(p, line);
    p->inside[kind] = entry.partial;
    if (p->left_out[kind])
        return;
    const char *text = line + entry.head;
    size -= entry.head;
    const bool together = has_heads(p) && p->one_place;
    if (together && size <= LOG_HELD_MAX && (entry.partial || p->held[kind].any)) {
        hold(p, kind, line, text, size);
        if (!entry.partial)
            print_held(p, kind, true);
    } else {
        print_held(p, kind, false);
        print_text(p, kind, line, text, size, !entry.partial);
    }
}

int log_print_flush(struct log_printer *p)
{
    for (int kind = 0; kind < LOG_KINDS; kind++)
        print_held(p, (enum log_kind)kind, false);
    fflush(p->out);
    note_error(p);
    fflush(p->err);
    return p->error;
}
