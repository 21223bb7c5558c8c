/* sysctl [-w] KEY=VALUE …, of the network namespace: all that is below net. */
#include "line.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Dots are slashes and slashes are dots in "net.ipv4.conf.eth0/1.rp_filter"; "net/ipv4/conf/eth0.1/rp_filter" is a path. */
static void exchange_separators(char *text)
{
    for (; *text; text++)
        *text = *text == '.' ? '/' : *text == '/' ? '.' : *text;
}

struct setting {
    char *path;  /* below /proc/sys */
    char *shown; /* with dots */
    char *value;
};

static void clear(struct setting *s)
{
    free(s->path);
    free(s->shown);
    free(s->value);
}
#define _cleanup_setting_ __attribute__((cleanup(clear)))

static char *trimmed(const char *text, size_t size)
{
    while (size && isspace((unsigned char)*text))
        text++, size--;
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    return xstrndup(text, size);
}

/* False: it is something else, like a pattern, or not of the network. */
static bool read_setting(const char *word, struct setting *s)
{
    *s = (struct setting){0};
    const char *equals = strchr(word, '=');
    if (!equals)
        return false;
    s->path = trimmed(word, (size_t)(equals - word));
    s->value = trimmed(equals + 1, strlen(equals + 1));
    s->shown = xstrdup(s->path);
    exchange_separators(skip_prefix(s->path, "net.") ? s->path : s->shown);
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    size_t length = strlen(s->path);
    return skip_prefix(s->path, "net/") && strspn(s->path, allowed) == length &&
           s->path[length - 1] != '/' && !strstr(s->path, "//") && !strstr(s->path, "..") &&
           !strstr(s->path, "/.") && !strstr(s->path, "./");
}

/* Is it a file to write to, or missing? sysctl says odd things of others. */
static bool usable(struct iproute *ip, const struct setting *s)
{
    struct stat st;
    _cleanup_close_ int fd = sysctls_open(&ip->sysctls, s->path, O_PATH);
    if (fd < 0)
        return fd == -ENOENT;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IWUSR);
}

static bool write_setting(struct line *l, const struct setting *s)
{
    _cleanup_close_ int fd = sysctls_open(&l->ip->sysctls, s->path, O_WRONLY | O_TRUNC);
    if (fd == -ENOENT) {
        line_print(l, "sysctl: cannot stat /proc/sys/%s: %s\n", s->path, strerror(-fd));
        return false;
    }
    _cleanup_free_ char *text = xasprintf("%s\n", s->value);
    int r = fd < 0 ? fd : write_all(fd, text, strlen(text));
    if (r < 0)
        line_print(l, "sysctl: setting key \"%s\": %s\n", s->shown, strerror(-r));
    else
        line_print(l, "%s = %s\n", s->shown, s->value);
    return r == 0;
}

/* The namespace has been entered. */
static int write_them(void *arg, struct err *e)
{
    struct line *l = arg;
    bool good = true;
    (void)e;
    for (char *const *word = l->words; *word; word++) {
        _cleanup_setting_ struct setting s;
        if (!read_setting(*word, &s) || !usable(l->ip, &s)) {
            line_hand_over(l);
            return 0;
        }
    }
    for (char *const *word = l->words; *word; word++) {
        _cleanup_setting_ struct setting s;
        if (read_setting(*word, &s) && !write_setting(l, &s))
            good = false;
    }
    line_finish(l, good ? 0 : 1, "%s", "");
    return 0;
}

void sysctl_line(struct line *l)
{
    if (*l->words && (streq(*l->words, "-w") || streq(*l->words, "--write")))
        l->words++;
    if (!*l->words)
        line_hand_over(l);
    else if ((l->error = netns_run(l->ip->netns, write_them, l, l->e)) < 0)
        l->state = LINE_FAILED;
}
