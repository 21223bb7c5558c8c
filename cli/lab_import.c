/* netctr lab import: the lab.conf of a Kathara lab as a topology file. */
#include "lab.h"

#include <errno.h>

int lab_import_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e)
{
    struct lab_choice choice = {0};
    (void)cli;
    const struct option options[] = {LAB_CHOICE_OPTIONS(choice), {0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    const struct topology_options how = {.name = choice.name, .environ = environ};
    int r = lab_read(&choice, first < argc ? argv[first] : NULL, &how, &text, &size, &t, e);
    if (r < 0)
        return r;
    if (!lab_is_kathara(t->file))
        return err_say(e, -EINVAL, "`%s` is a topology file already", t->file);
    strv_each (note, t->notes)
        fprintf(stderr, "netctr: %s\n", note);
    fwrite(text, 1, size, stdout);
    return 0;
}
