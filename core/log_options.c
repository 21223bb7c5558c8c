/* Where a container's log is kept, and how much of it: docker's words, checked before anything is made. */
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

json_t *log_options_to_json(const struct log_options *o)
{
    json_t *j = json_object();
    json_put_str(j, "driver", drivers[o->driver]);
    json_object_set_new(j, "max_size", json_integer(o->max_size));
    json_object_set_new(j, "max_file", json_integer(o->max_file));
    return j;
}

int log_options_from_json(const json_t *j, struct log_options *o, struct err *e)
{
    *o = LOG_OPTIONS_DEFAULT;
    if (!j)
        return 0;
    const char *driver = json_str(j, "driver");
    int found = driver ? find_driver(driver) : (int)o->driver;
    int64_t size = json_int(j, "max_size", o->max_size);
    int64_t files = json_int(j, "max_file", o->max_file);
    if (found < 0 || size < -1 || size == 0 || files < 1 || files > LOG_FILES_MAX)
        return err_say(e, -EBADMSG, "damaged: its log's driver or limits are none");
    *o = (struct log_options){(enum log_driver)found, size, (unsigned)files};
    return 0;
}
