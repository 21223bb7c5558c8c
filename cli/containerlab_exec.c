/* netctr containerlab exec: commands in the nodes that labels choose. As with containerlab, the output is a part of messages
 * on stderr, or JSON on stdout, and a command that fails is no failure.
 */
#include "containerlab.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 16 << 20 };

struct request {
    struct engine *engine;
    strv commands, labels;
    json_t *json; /* results by name of node; NULL: messages */
};

static char *read_back(int fd)
{
    char *text = NULL;
    size_t size = 0;
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size == 0)
        return xstrdup("");
    size = st.st_size < OUTPUT_MAX ? (size_t)st.st_size : OUTPUT_MAX;
    text = xcalloc(size + 1, 1);
    ssize_t n = pread(fd, text, size, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* Its streams are this process's, which are files here. */
static void run_child(struct engine *engine, const struct record *r, char *const *argv, int out,
                      int err)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const struct exec_request q = {.argv = (strv)argv, .user = "0", .ends_with_caller = true};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0)
        _exit(EXIT_NETCTR);
    int status = engine_exec(engine, r, &q, &e);
    if (status < 0) {
        _cleanup_free_ char *line = err_line(&e);
        dprintf(STDERR_FILENO, "%s\n", line);
        status = e.status ? e.status : EXIT_NETCTR;
    }
    _exit(status);
}

/* The exit status; the caller frees *@out and *@err. */
static int run_captured(struct engine *engine, const struct record *r, char *const *argv,
                        char **out, char **err, struct err *e)
{
    int status;
    _cleanup_close_ int to = memfd_create("stdout", MFD_CLOEXEC),
                        errors = memfd_create("stderr", MFD_CLOEXEC);
    if (to < 0 || errors < 0)
        return err_set(e, errno, "make a file in memory");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_child(engine, r, argv, to, errors);
    if (pid < 0)
        return err_set(e, errno, "fork");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(e, errno, "wait for a process");
    *out = read_back(to);
    *err = read_back(errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- results ---------------------------------------------------------------------------------*/

static void print_block(const char *title, const char *text)
{
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    const size_t count = strv_len(lines);
    if (!*text)
        return;
    fprintf(stderr, "  %s=\n", title);
    for (size_t i = 0; i < count; i++)
        if (i + 1 < count || *lines[i])
            fprintf(stderr, "  │ %s\n", lines[i]);
}

/* containerlab prints output that is JSON as it is. */
static json_t *output_json(const char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!j)
        j = json_string(text);
    if (j)
        return j;
    _cleanup_free_ char *printable = text_printable(text); /* it is not UTF-8 */
    return json_string(printable);
}

static void report(const struct request *q, const char *node, const char *command,
                   char *const *argv, int status, const char *out, const char *err)
{
    if (!q->json) {
        fprintf(stderr, "%s node=%s command=\"%s\"",
                status ? "Failed to execute command" : "Executed command", node, command);
        if (status)
            fprintf(stderr, " rc=%d", status);
        fputc('\n', stderr);
        print_block("stdout", out);
        print_block("stderr", err);
        return;
    }
    json_t *results = json_object_get(q->json, node), *j = json_object();
    if (!results)
        json_object_set_new(q->json, node, results = json_array());
    _cleanup_strv_ strv words = strv_copy(argv);
    _cleanup_free_ char *errors = text_printable(err);
    json_put_strv(j, "cmd", words);
    json_object_set_new(j, "return-code", json_integer(status));
    json_object_set_new(j, "stdout", output_json(out));
    json_put_str(j, "stderr", errors);
    json_array_append_new(results, j);
}

static int run_in(const struct request *q, const struct record *r, struct err *e)
{
    int status = 0;
    strv_each (command, q->commands) {
        _cleanup_strv_ strv argv = NULL;
        _cleanup_free_ char *out = NULL, *err = NULL;
        status = words_split(command, &argv, e);
        if (status == 0 && !argv)
            status = err_say(e, -EINVAL, "--cmd is empty");
        if (status == 0)
            status = run_captured(q->engine, r, argv, &out, &err, e);
        if (status < 0)
            return status;
        report(q, r->spec.name, command, argv, status, out, err);
    }
    return 0;
}

static bool is_chosen(const struct request *q, const struct record *r)
{
    strv_each (label, q->labels)
        if (!has_label(r->spec.labels, label))
            return false;
    return r->status == STATUS_RUNNING;
}

static int run_in_lab(const struct request *q, const struct lab *l, struct err *e)
{
    int r = 0;
    size_t count = 0;
    for (size_t i = 0; r == 0 && i < l->member_count; i++) {
        _cleanup_record_ struct record record = {0};
        if (l->members[i].kind == LAB_BRIDGE ||
            lab_container(q->engine, &l->members[i], &record, NULL) < 0 || !is_chosen(q, &record))
            continue;
        count++;
        r = run_in(q, &record, e);
    }
    return r == 0 && count == 0
               ? err_say(e, -ENOENT, "lab `%s` has no running node with these labels", l->name)
               : r;
}

int clab_exec(const struct cli *cli, const struct command *command, int argc, char **argv,
              struct err *e)
{
    struct clab_common c = {0};
    char *format = NULL;
    _cleanup_strv_ strv commands = NULL, labels = NULL;
    const struct option options[] = {
        CLAB_OPTIONS(c),
        {"cmd", 0, OPTION_LIST, "COMMAND", "the command; no shell reads it", &commands},
        {"label", 0, OPTION_LIST, "K=V", "only in nodes with this label", &labels},
        {"format", 'f', OPTION_TEXT, "FORMAT", "plain or json", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc || !commands)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    if (format && !streq(format, "json") && !streq(format, "plain"))
        return err_say(e, -EINVAL, "unknown format `%s`: there are plain and json", format);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_free_ char *name = NULL;
    _cleanup_json_ json_t *json = streq(format, "json") ? json_object() : NULL;
    const struct request q = {&engine, commands, labels, json};
    int r = clab_name(&c.choice, &name, e);
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = lab_find(&engine, name, &l, e);
    if (r == 0)
        r = run_in_lab(&q, &l, e);
    if (r == 0 && json)
        print_json(json);
    return r;
}
