/* The options of a container's log, in docker's words, validated before anything is made. */
#include <netctr/core.h>

#include <errno.h>

static const char *const drivers[] = {[LOG_K8S_FILE] = "k8s-file", [LOG_NONE] = "none"};

static int find_driver(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
        if (streq(text, drivers[i]))
            return (int)i;
    return -EINVAL;
}

const char *log_driver_name(enum log_driver driver)
{
    return drivers[driver];
}

int log_driver_parse(const char *text, struct log_options *o, struct err *e)
{
    int driver = find_driver(text);
    if (driver < 0)
        return err_say(e, -EINVAL, "log driver `%s`: there are k8s-file (the default) and none",
                       text);
    o->driver = (enum log_driver)driver;
    return 0;
}

static int take_size(const char *text, struct log_options *o, struct err *e)
{
    uint64_t size;
    if (streq(text, "-1")) {
        o->max_size = -1;
        return 0;
    }
    if (parse_size(text, &size) < 0 || size < LOG_SIZE_MIN || size > INT64_MAX)
        return err_say(
            e, -EINVAL,
            "--log-opt max-size `%s` is not a size of 4k or more (as in 10m, 1g), nor -1", text);
    o->max_size = (int64_t)size;
    return 0;
}

int log_option_parse(const char *text, struct log_options *o, struct err *e)
{
    const char *value = skip_prefix(text, "max-size=");
    uint64_t files;
    if (value)
        return take_size(value, o, e);
    value = skip_prefix(text, "max-file=");
    if (!value)
        return err_say(e, -EINVAL, "--log-opt `%s`: there are max-size=SIZE and max-file=N", text);
    if (parse_u64(value, 1, LOG_FILES_MAX, &files) < 0)
        return err_say(e, -EINVAL, "--log-opt max-file `%s` is not a number (1-%d)", value,
                       LOG_FILES_MAX);
    o->max_file = (unsigned)files;
    return 0;
}
