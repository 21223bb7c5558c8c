/* A log of two files with any bytes: printed, and read from its end. */
#include "fuzz.h"

#include "cli/logs.c"

/* How many lines of its stdout the reader has printed. */
static uint64_t count_lines(const char *text, size_t size)
{
    uint64_t lines = size && text[size - 1] != '\n';
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

static void read_tail(struct log_printer *p, uint64_t wanted, const uint8_t *data, size_t size)
{
    const size_t half = size / 2;
    struct log_view v = {.range = {.tail = wanted}, .until = INT64_MAX, .printer = p};
    _cleanup_log_reader_ struct log_reader r = {.fd = -1};
    struct rest rest = {0};
    must(log_reader_open(scratch_dir(), 3, &v.range, &r) == 0);
    bool older = r.file.st_ino != r.last.st_ino;
    size_t at = (size_t)r.at + (older ? 0 : half);
    must(r.fd >= 0 && r.at >= 0 && r.at <= r.file.st_size);
    must(r.at == 0 || r.at == r.file.st_size || data[at - 1] == '\n');
    must(wanted != LOG_ALL || r.at == 0);
    must(print_new(&r, &rest, &v) == 0 && r.at == (off_t)(size - half));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t wanted[] = {0, 1, 2, 10, UINT64_MAX - 1, LOG_ALL};
    _cleanup_free_ struct log_printer *p = xcalloc(1, sizeof(*p));
    FILE *nowhere = fopen("/dev/null", "we");
    must(nowhere);
    put(scratch_dir(), "log.1", data, size / 2);
    put(scratch_dir(), "log", data + size / 2, size - size / 2);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        _cleanup_free_ char *text = NULL;
        size_t printed = 0;
        *p = (struct log_printer){.out = open_memstream(&text, &printed), .err = nowhere};
        p->one_place = p->times = i % 2;
        must(p->out);
        read_tail(p, wanted[i], data, size);
        must(fclose(p->out) == 0 && (p->times || count_lines(text, printed) <= wanted[i]));
    }
    fclose(nowhere);
    return 0;
}
