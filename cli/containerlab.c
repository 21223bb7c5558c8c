/* netctr containerlab, which is also what links named `containerlab` and `clab` run: deploy, destroy and the like, as scripts
 * around labs call them. netctr's own words for the same are `netctr lab up`, `down` and so on.
 */
#include "containerlab.h"

#include <errno.h>
#include <string.h>

/* ---- deploy ----------------------------------------------------------------------------------*/

/* Scripts do not say where the root directories of images are. */
static char *usual_images(const struct cli *cli)
{
    struct stat st;
    char *dir = xasprintf("%s/images", cli->root);
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
        free(take_ptr(dir));
    return dir;
}

struct deployment {
    struct clab_common common;
    strv images;
    char *image_dir, *format, *workers, *owner;
    bool reconfigure, nothing;
};

static int deploy(const struct cli *cli, const struct deployment *d, struct err *e)
{
    _cleanup_strv_ strv words = NULL;
    _cleanup_free_ char *usual = usual_images(cli);
    const char *image_dir = d->image_dir ? d->image_dir : usual;
    strv_add(&words, "lab up");
    if (d->common.choice.topo)
        strv_add_take(&words, xasprintf("--topo=%s", d->common.choice.topo));
    if (d->common.choice.name)
        strv_add_take(&words, xasprintf("--name=%s", d->common.choice.name));
    if (image_dir)
        strv_add_take(&words, xasprintf("--images=%s", image_dir));
    strv_each (image, d->images)
        strv_add_take(&words, xasprintf("--image=%s", image));
    if (d->reconfigure)
        strv_add(&words, "--reconfigure");
    return lab_up_command(cli, &command_lab, (int)strv_len(words), words, e);
}

static int deploy_command(const struct cli *cli, const struct command *command, int argc,
                          char **argv, struct err *e)
{
    struct deployment d = {.reconfigure = streq(argv[0], "redeploy")};
    struct clab_common *c = &d.common;
    bool json = false;
    const struct option options[] = {
        CLAB_OPTIONS(*c),
        LAB_IMAGE_OPTIONS(d.images, d.image_dir),
        {"reconfigure", 'c', OPTION_FLAG, NULL, "take the lab down first, if it is up",
         &d.reconfigure},
        {"format", 'f', OPTION_TEXT, "FORMAT", "of the list of nodes: table or json", &d.format},
        {"max-workers", 'w', OPTION_TEXT, "N", "no effect", &d.workers},
        {"owner", 0, OPTION_TEXT, "NAME", "no effect", &d.owner},
        {"graph", 'g', OPTION_FLAG, NULL, "no effect", &d.nothing},
        {"cleanup", 0, OPTION_FLAG, NULL, "no effect", &d.nothing},
        {"skip-post-deploy", 0, OPTION_FLAG, NULL, "no effect", &d.nothing},
        {"skip-labdir-acl", 0, OPTION_FLAG, NULL, "no effect", &d.nothing},
        {0},
    };
    _cleanup_free_ char *name = NULL;
    int first = command_options(command, options, true, &argc, argv, e);
    int r = first <= 0 ? first : clab_no_words(command, first, argc, e);
    if (r == 0 && first > 0)
        r = clab_format(d.format, &json, e);
    if (r == 0 && first > 0)
        r = deploy(cli, &d, e);
    strv_free(d.images);
    if (r == 0 && first > 0)
        r = clab_name(&c->choice, &name, e);
    return r < 0 || first <= 0 ? r : clab_show(cli, name, json, e);
}

/* ---- destroy ---------------------------------------------------------------------------------*/

/* Without a lab there is nothing to destroy, which is no failure. */
static int destroy(const struct cli *cli, const struct lab_choice *c, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_free_ char *name = NULL;
    int r = clab_name(c, &name, e);
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r < 0)
        return r;
    r = lab_down(&engine, name, NULL, e);
    if (r == -ENOENT) {
        err_clear(e);
        fprintf(stderr, "lab %s is not up\n", name);
        return 0;
    }
    if (r == 0)
        fprintf(stderr, "lab %s removed\n", name);
    return r;
}

static int destroy_command(const struct cli *cli, const struct command *command, int argc,
                           char **argv, struct err *e)
{
    struct clab_common c = {0};
    bool all = false, nothing = false;
    char *workers = NULL;
    const struct option options[] = {
        CLAB_OPTIONS(c),
        {"all", 'a', OPTION_FLAG, NULL, "all labs", &all},
        {"cleanup", 'c', OPTION_FLAG, NULL, "no effect: a lab leaves nothing behind", &nothing},
        {"yes", 'y', OPTION_FLAG, NULL, "no effect: netctr does not ask", &nothing},
        {"graceful", 0, OPTION_FLAG, NULL, "no effect", &nothing},
        {"keep-mgmt-net", 0, OPTION_FLAG, NULL, "no effect", &nothing},
        {"max-workers", 'w', OPTION_TEXT, "N", "no effect", &workers},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    int r = clab_no_words(command, first, argc, e);
    char *words[] = {"lab down", "--all", NULL};
    if (r < 0)
        return r;
    return all ? lab_down_command(cli, &command_lab, 2, words, e) : destroy(cli, &c.choice, e);
}

/* ---- graph, save -----------------------------------------------------------------------------*/

static int graph_command(const struct cli *cli, const struct command *command, int argc,
                         char **argv, struct err *e)
{
    struct clab_common c = {0};
    bool mermaid = false, dot = false, offline = false;
    const struct option options[] = {
        CLAB_OPTIONS(c),
        {"mermaid", 0, OPTION_FLAG, NULL, "print it for Markdown", &mermaid},
        {"dot", 0, OPTION_FLAG, NULL, "print it for graphviz", &dot},
        {"offline", 'o', OPTION_FLAG, NULL, "without the state of the lab", &offline},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    _cleanup_strv_ strv words = NULL;
    int r = clab_no_words(command, first, argc, e);
    strv_add(&words, "lab graph");
    if (c.choice.topo)
        strv_add_take(&words, xasprintf("--topo=%s", c.choice.topo));
    if (c.choice.name)
        strv_add_take(&words, xasprintf("--name=%s", c.choice.name));
    if (mermaid || dot)
        strv_add_take(&words, xasprintf("--format=%s", mermaid ? "mermaid" : "dot"));
    else
        strv_add(&words, "--watch");
    if (offline)
        strv_add(&words, "--no-state");
    return r < 0 ? r : lab_graph_command(cli, &command_lab, (int)strv_len(words), words, e);
}

/* containerlab saves what vendors' nodes have configured, and nothing of `linux` nodes. */
static int save_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                        struct err *e)
{
    struct clab_common c = {0};
    const struct option options[] = {CLAB_OPTIONS(c), {0}};
    (void)cli;
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    fprintf(stderr, "nodes of kind linux keep their own configuration: nothing to save; `netctr "
                    "lab save` prints the topology as it is now\n");
    return clab_no_words(command, first, argc, e);
}

/* ---- tools, version --------------------------------------------------------------------------*/

static int tools_command(const struct cli *cli, const struct command *command, int argc,
                         char **argv, struct err *e)
{
    (void)command;
    const struct command netem = {.name = "containerlab tools netem",
                                  .usage = "set|show|reset -n NODE [-i INTERFACE] [FLAGS]",
                                  .summary = "Impair what an interface of a node sends",
                                  .example =
                                      "netctr containerlab tools netem set -n clab-two-lans-h1 "
                                      "-i eth1 --delay 10ms"};
    if (argc > 1 && streq(argv[1], "netem"))
        return clab_netem(cli, &netem, argc - 1, argv + 1, e);
    err_say(e, -EINVAL, "unknown command `containerlab tools%s%s`", argc > 1 ? " " : "",
            argc > 1 ? argv[1] : "");
    err_hint(e, "of containerlab's tools there is netem");
    return -EINVAL;
}

static int version_command(const struct cli *cli, const struct command *command, int argc,
                           char **argv, struct err *e)
{
    (void)command, (void)argc;
    char *words[] = {argv[0], NULL};
    return command_version.run(cli, 1, words, e);
}

/* ---- all -------------------------------------------------------------------------------------*/

static const struct verb verbs[] = {
    {{.name = "containerlab deploy",
      .usage = "[-t FILE] [FLAGS]",
      .summary = "Bring a lab up",
      .example = "netctr containerlab deploy -t labs/two-lans.clab.yml --reconfigure"},
     deploy_command},
    {{.name = "containerlab redeploy",
      .usage = "[-t FILE] [FLAGS]",
      .summary = "Take a lab down and bring it up",
      .example = "netctr containerlab redeploy -t labs/two-lans.clab.yml",
      .risky = true},
     deploy_command},
    {{.name = "containerlab destroy",
      .usage = "[-t FILE] [FLAGS]",
      .summary = "Remove a lab",
      .example = "netctr containerlab destroy -t labs/two-lans.clab.yml --cleanup",
      .risky = true},
     destroy_command},
    {{.name = "containerlab inspect",
      .usage = "[-t FILE] [FLAGS]",
      .summary = "Show the nodes of a lab, or of all",
      .example = "netctr containerlab inspect --all\n"
                 "netctr containerlab inspect --name two-lans --format json"},
     clab_inspect},
    {{.name = "containerlab exec",
      .usage = "[-t FILE] [--label K=V] --cmd COMMAND…",
      .summary = "Run commands in nodes",
      .example = "netctr containerlab exec --name two-lans --label clab-node-name=h1 --cmd 'ip "
                 "route'"},
     clab_exec},
    {{.name = "containerlab graph",
      .usage = "[-t FILE] [FLAGS]",
      .summary = "Serve a page with the topology, or print it",
      .example = "netctr containerlab graph -t labs/two-lans.clab.yml --mermaid"},
     graph_command},
    {{.name = "containerlab save",
      .usage = "[-t FILE]",
      .summary = "Does nothing: nodes of kind linux keep their configuration",
      .example = "netctr containerlab save"},
     save_command},
    {{.name = "containerlab tools",
      .usage = "netem set|show|reset -n NODE [-i INTERFACE] [FLAGS]",
      .summary = "Impair what an interface of a node sends",
      .example = "netctr containerlab tools netem show -n clab-two-lans-h1"},
     tools_command},
    {{.name = "containerlab version",
      .usage = "",
      .summary = "Print the version of netctr",
      .example = "netctr containerlab version"},
     version_command},
};

static const struct other_name others[] = {
    {"apply", "`netctr lab apply` changes a lab that is up"},
    {"config", "netctr does not have it"},
    {"events", "`netctr events` shows what happens"},
    {"generate", "netctr does not have it"},
    {"list", "`inspect --all` lists the labs"},
    {"restart", "`netctr lab restart` restarts the programs of nodes"},
    {"start", "`netctr start NAME` starts a node's program"},
    {"stop", "`netctr stop NAME` ends a node's program"},
    {NULL, NULL},
};

/* As with containerlab, flags may also stand before the subcommand: those move behind it. */
static char **verb_first(int argc, char **argv)
{
    static const char *const with_value[] = {"-t",        "--topo",      "--name",   "-r",
                                             "--runtime", "--log-level", "--timeout"};
    int verb = 1;
    while (verb < argc && argv[verb][0] == '-') {
        bool value = false;
        for (size_t i = 0; i < ARRAY_LEN(with_value); i++)
            value = value || streq(argv[verb], with_value[i]);
        verb += 1 + value;
    }
    char **out = xcalloc((size_t)argc + 1, sizeof(*out));
    memcpy(out, argv, (size_t)argc * sizeof(*out));
    if (verb < argc) {
        out[1] = argv[verb];
        memcpy(out + 2, argv + 1, (size_t)(verb - 1) * sizeof(*out));
    }
    return out;
}

static char *whole_name(char *word)
{
    static const struct {
        const char *shorter;
        char *name;
    } names[] = {{"dep", "deploy"},  {"redep", "redeploy"}, {"rdep", "redeploy"},
                 {"des", "destroy"}, {"ins", "inspect"},    {"i", "inspect"}};
    for (size_t i = 0; word && i < ARRAY_LEN(names); i++)
        if (streq(word, names[i].shorter))
            return names[i].name;
    return word;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct group group = {&command_containerlab, verbs, ARRAY_LEN(verbs), others};
    _cleanup_free_ char **words = verb_first(argc, argv);
    words[1] = whole_name(words[1]);
    int r = group_run(&group, cli, argc, words, e);
    if (r < 0 && !e->status)
        err_status(e, 1); /* as containerlab */
    return r;
}

const struct command command_containerlab = {
    .name = "containerlab",
    .usage = "COMMAND [ARG…]",
    .summary = "containerlab's command line for labs; links to netctr named `containerlab` and "
               "`clab` do the same",
    .example = "netctr containerlab deploy -t labs/two-lans.clab.yml\n"
               "netctr containerlab inspect --all",
    .hidden = true,
    .group = true,
    .sealed = true,
    .run = run,
};
