/* A log, which a program fills with any bytes: printed, and looked at from its end. */
#include "fuzz.h"

#include <sys/mman.h>

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
    static const uint64_t wanted[] = {0, 1, 2, 10, UINT64_MAX - 1};
    if (!sink)
        sink = fopen("/dev/null", "we");
    _cleanup_close_ int fd = memfd_create("log", MFD_CLOEXEC);
    if (!sink || fd < 0 || write_all(fd, data, size) < 0)
        abort();
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        off_t at = -1;
        const struct log_view v = {.times = i % 2, .tail = wanted[i]};
        _cleanup_rest_ struct rest rest = {0};
        if (tail_offset(fd, wanted[i], &at) < 0 || at < 0 || at > (off_t)size ||
            (at > 0 && at < (off_t)size && data[at - 1] != '\n') || lseek(fd, at, SEEK_SET) < 0 ||
            print_new(fd, &rest, &v) < 0)
            abort();
    }
    return 0;
}
