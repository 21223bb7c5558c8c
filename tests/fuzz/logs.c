/* A log of two files, which a program fills with any bytes: printed, and looked at from its end. */
#include "fuzz.h"

static FILE *sink;
#undef stdout
#undef stderr
#define stdout sink
#define stderr sink
#include "cli/logs.c"
#undef stderr

int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, struct err *e)
{
    (void)command, (void)options, (void)intermixed, (void)argc, (void)argv, (void)e;
    abort(); /* it is the command's, which is not run here */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t wanted[] = {0, 1, 2, 10, UINT64_MAX - 1, LOG_ALL};
    const size_t half = size / 2;
    if (!sink)
        sink = fopen("/dev/null", "we");
    must(sink);
    put(scratch_dir(), "log.1", data, half);
    put(scratch_dir(), "log", data + half, size - half);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        const struct log_view v = {.times = i % 2, .tail = wanted[i]};
        _cleanup_log_reader_ struct log_reader r = {.fd = -1};
        struct rest rest = {0};
        must(log_reader_open(scratch_dir(), 3, wanted[i], &r) == 0);
        bool older = r.file.st_ino != r.last.st_ino;
        size_t at = (size_t)r.at + (older ? 0 : half);
        must(r.fd >= 0 && r.at >= 0 && r.at <= r.file.st_size);
        must(r.at == 0 || r.at == r.file.st_size || data[at - 1] == '\n');
        must(wanted[i] < UINT64_MAX - 1 || r.at == 0);
        must(print_new(&r, &rest, &v) == 0 && r.at == (off_t)(size - half));
    }
    return 0;
}
