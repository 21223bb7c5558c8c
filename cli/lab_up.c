/* netctr lab up, apply, diff, down, restart: parses, calls, and shows what happens, a line for each node. */
#include "lab.h"

#include <errno.h>
#include <string.h>

struct display {
    bool quiet, verbose;
    size_t notes;
};

static void tell(const struct lab_news *news, void *arg)
{
    struct display *d = arg;
    if (d->verbose)
        fprintf(stderr, "%6.2f s  %-20s %s\n", (double)news->ms / 1000,
                news->node ? news->node : "lab", news->what);
    strv_each (note, news->notes) {
        d->notes++;
        fprintf(stderr, "netctr: node %s: %s\n", news->node, note);
    }
}

static void summarize(const struct topology *t, const struct display *d, int64_t began)
{
    size_t switches = 0;
    for (size_t i = 0; i < t->node_count; i++)
        switches += t->nodes[i].kind == LAB_BRIDGE;
    const size_t nodes = t->node_count - switches;
    fprintf(stderr, "lab %s: %zu node%s", t->name, nodes, nodes == 1 ? "" : "s");
    if (switches)
        fprintf(stderr, ", %zu switch%s", switches, switches == 1 ? "" : "es");
    fprintf(stderr, ", %zu link%s, up in %.2f s", t->link_count, t->link_count == 1 ? "" : "s",
            (double)(monotonic_ms() - began) / 1000);
    if (d->notes)
        fprintf(stderr, "; %zu exec line%s failed", d->notes, d->notes == 1 ? "" : "s");
    fputc('\n', stderr);
}

static int up(const struct cli *cli, const struct topology *t, struct lab_options *o,
              bool reconfigure, struct display *d, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    const int64_t began = monotonic_ms();
    int r = cli_engine(cli, &engine, e);
    if (r == 0 && reconfigure) {
        r = lab_down(&engine, t->name, NULL, e);
        if (r == -ENOENT) {
            err_clear(e);
            r = 0;
        }
    }
    o->tell = tell;
    o->arg = d;
    if (r == 0)
        r = lab_up(&engine, t, o, e);
    if (r == 0 && !d->quiet)
        summarize(t, d, began);
    return r;
}

int lab_up_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                   struct err *e)
{
    struct lab_choice choice = {0};
    struct display d = {0};
    _cleanup_strv_ strv images = NULL;
    char *image_dir = NULL;
    bool reconfigure = false, strict = false, ovs = false;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(choice),
        LAB_IMAGE_OPTIONS(images, image_dir),
        {"reconfigure", 'c', OPTION_FLAG, NULL, "take the lab down first, if it is up",
         &reconfigure},
        {"strict", 0, OPTION_FLAG, NULL, "fail if a line of `exec` fails", &strict},
        {"ovs-as-bridge", 0, OPTION_FLAG, NULL, "run `ovs-bridge` nodes as plain switches", &ovs},
        {"verbose", 'v', OPTION_FLAG, NULL, "show each step of each node, with its time",
         &d.verbose},
        {"quiet", 'q', OPTION_FLAG, NULL, "show only what fails", &d.quiet},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    const struct topology_options how = {
        .name = choice.name, .environ = environ, .ovs_as_bridge = ovs};
    int r = lab_read(&choice, first < argc ? argv[first] : NULL, &how, &text, &size, &t, e);
    if (r < 0)
        return r;
    strv_each (note, t->notes)
        fprintf(stderr, "netctr: %s\n", note);
    struct lab_options o = {.images = images,
                            .image_dir = image_dir,
                            .text = text,
                            .text_size = size,
                            .strict = strict};
    return up(cli, t, &o, reconfigure, &d, e);
}

/* ---- apply, diff -----------------------------------------------------------------------------*/

struct lines {
    bool quiet;
    size_t count;
};

static void print_line(const char *line, void *arg)
{
    struct lines *l = arg;
    l->count++;
    if (!l->quiet)
        printf("%s\n", line);
}

struct wish {
    struct lab_choice choice;
    strv images;
    char *image_dir;
    bool strict, dry_run, ovs;
};

/* Returns how many lines were shown. */
static int apply(const struct cli *cli, const char *word, const struct wish *w, struct display *d,
                 struct err *e)
{
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_free_ char *text = NULL;
    _cleanup_engine_ struct engine engine = {0};
    size_t size;
    struct lines lines = {.quiet = d->quiet};
    const int64_t began = monotonic_ms();
    const struct topology_options how = {
        .name = w->choice.name, .environ = environ, .ovs_as_bridge = w->ovs};
    int r = lab_read(&w->choice, word, &how, &text, &size, &t, e);
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r < 0)
        return r;
    strv_each (note, t->notes)
        fprintf(stderr, "netctr: %s\n", note);
    const struct lab_options o = {.images = w->images,
                                  .image_dir = w->image_dir,
                                  .text = text,
                                  .text_size = size,
                                  .strict = w->strict,
                                  .tell = tell,
                                  .arg = d};
    r = lab_apply(&engine, t, &o, w->dry_run, print_line, &lines, e);
    if (r == 0 && !w->dry_run && !d->quiet)
        summarize(t, d, began);
    return r < 0 ? r : lines.count > 0;
}

int lab_apply_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                      struct err *e)
{
    struct wish w = {0};
    struct display d = {0};
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(w.choice),
        LAB_IMAGE_OPTIONS(w.images, w.image_dir),
        {"dry-run", 0, OPTION_FLAG, NULL, "show what would be done", &w.dry_run},
        {"strict", 0, OPTION_FLAG, NULL, "fail if a line of `exec` fails", &w.strict},
        {"ovs-as-bridge", 0, OPTION_FLAG, NULL, "run `ovs-bridge` nodes as plain switches", &w.ovs},
        {"verbose", 'v', OPTION_FLAG, NULL, "show each step of each node, with its time",
         &d.verbose},
        {"quiet", 'q', OPTION_FLAG, NULL, "show only what fails", &d.quiet},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    int r = apply(cli, first < argc ? argv[first] : NULL, &w, &d, e);
    strv_free(w.images);
    return r < 0 ? r : 0;
}

int lab_diff_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e)
{
    struct wish w = {.dry_run = true};
    struct display d = {0};
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(w.choice),
        LAB_IMAGE_OPTIONS(w.images, w.image_dir),
        {"ovs-as-bridge", 0, OPTION_FLAG, NULL, "run `ovs-bridge` nodes as plain switches", &w.ovs},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    int r = apply(cli, first < argc ? argv[first] : NULL, &w, &d, e);
    strv_free(w.images);
    return r;
}

/* ---- down ------------------------------------------------------------------------------------*/

static int name_lab(struct lab *l, void *names)
{
    strv_add(names, l->name);
    return 0;
}

static int down(struct engine *engine, char *const *names, struct display *d, struct err *e)
{
    int result = 0;
    strv_each (name, names) {
        _cleanup_err_ struct err step = ERR_INIT;
        const struct lab_options o = {.tell = tell, .arg = d};
        int r = lab_down(engine, name, &o, &step);
        if (r == 0)
            printf("%s\n", name);
        first_error(&result, r, e, &step);
    }
    return result;
}

int lab_down_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e)
{
    struct lab_choice choice = {0};
    struct display d = {0};
    bool all = false;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(choice),
        {"all", 'a', OPTION_FLAG, NULL, "all labs", &all},
        {"verbose", 'v', OPTION_FLAG, NULL, "show each node, with its time", &d.verbose},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1 || (all && first < argc))
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_strv_ strv names = NULL;
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    int r = cli_engine(cli, &engine, e);
    if (r == 0 && all)
        r = lab_each(&engine, name_lab, &names, e);
    else if (r == 0)
        r = lab_choose(&engine, &choice, first < argc ? argv[first] : NULL, &l, e);
    if (r == -EBADMSG) { /* damaged, and to be removed all the same */
        err_clear(e);
        r = 0;
    }
    if (r == 0 && !all)
        strv_add(&names, l.name);
    return r < 0 ? r : down(&engine, names, &d, e);
}

/* ---- restart ---------------------------------------------------------------------------------*/

int lab_restart_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                        struct err *e)
{
    struct lab_choice choice = {0};
    char *patience = NULL;
    uint64_t seconds = 0;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(choice),
        {"time", 0, OPTION_TEXT, "SECONDS", "before a program is killed (0)", &patience},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    int r = patience_parse(patience, &seconds, e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = lab_choose(&engine, &choice, NULL, &l, e);
    if (r == 0)
        r = lab_restart(&engine, &l, first < argc ? argv + first : NULL, seconds, e);
    if (r < 0)
        lab_hint_name(&engine, &choice, &l, argv[first], "restart", e);
    return r;
}
