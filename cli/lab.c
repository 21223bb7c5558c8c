/* netctr lab: the list of subcommands. */
#include "lab.h"

static const struct verb verbs[] = {
    {{.name = "lab up",
      .usage = "[FLAGS] [FILE]",
      .summary = "Bring a lab up from a topology file, or from Kathara's lab.conf",
      .example = "netctr lab up\nnetctr lab up labs/two-lans.clab.yml\n"
                 "netctr lab up --image '*frr*=host' frr01.clab.yml\n"
                 "netctr lab up --images roots kathara-lab_ospf   (a folder with a lab.conf)"},
     lab_up_command},
    {{.name = "lab apply",
      .usage = "[FLAGS] [FILE]",
      .summary = "Change a lab that is up into what its file says",
      .example = "netctr lab apply\nnetctr lab apply --dry-run labs/two-lans.clab.yml"},
     lab_apply_command},
    {{.name = "lab diff",
      .usage = "[FLAGS] [FILE]",
      .summary = "Show what `lab apply` would do; exit status 1: something",
      .example = "netctr lab diff"},
     lab_diff_command},
    {{.name = "lab down",
      .usage = "[FLAGS] [LAB | FILE]",
      .summary = "Remove a lab with everything of it",
      .example = "netctr lab down\nnetctr lab down two-lans",
      .risky = true},
     lab_down_command},
    {{.name = "lab ls",
      .usage = "[FLAGS]",
      .summary = "List labs",
      .example = "netctr lab ls\nnetctr lab ls --format json"},
     lab_ls_command},
    {{.name = "lab inspect",
      .usage = "[FLAGS] [LAB | FILE]",
      .summary = "Show nodes, interfaces and addresses as they are now",
      .example = "netctr lab inspect\nnetctr lab inspect --format json two-lans | jq ."},
     lab_inspect_command},
    {{.name = "lab exec",
      .usage = "[FLAGS] NODE COMMAND [ARG…]",
      .summary = "Run a command in a node",
      .example = "netctr lab exec h1 ping -c 1 10.0.2.10\nnetctr lab exec -it r1 vtysh"},
     lab_exec_command},
    {{.name = "lab graph",
      .usage = "[FLAGS] [LAB | FILE]",
      .summary = "Draw a topology file, or a lab with its state",
      .example = "netctr lab graph labs/two-lans.clab.yml\n"
                 "netctr lab graph -o lab.svg two-lans\n"
                 "netctr lab graph --watch two-lans"},
     lab_graph_command},
    {{.name = "lab test",
      .usage = "[FLAGS] [LAB | FILE]",
      .summary = "Run the tests of the topology file",
      .example = "netctr lab test\nnetctr lab test --format junit two-lans > report.xml"},
     lab_test_command},
    {{.name = "lab save",
      .usage = "[FLAGS] [LAB | FILE]",
      .summary = "Print the topology with the addresses and routes of now",
      .example = "netctr lab save two-lans > now.clab.yml"},
     lab_save_command},
    {{.name = "lab import",
      .usage = "[FLAGS] [FOLDER]",
      .summary = "Print the topology file that says what a Kathara lab.conf says",
      .example = "netctr lab import ospf > ospf/ospf.clab.yml"},
     lab_import_command},
    {{.name = "lab set",
      .usage = "[FLAGS] LINK KEY=VALUE… | none",
      .summary = "Change delay, jitter, loss, rate … of a link that is up",
      .example = "netctr lab set h1:eth1,r1:eth1 delay=20ms loss=1%\n"
                 "netctr lab set h1:eth1 rate=10mbit delay=0\n"
                 "netctr lab set -n two-lans h1:eth1 none"},
     lab_set_command},
    {{.name = "lab link",
      .usage = "[FLAGS] ls | down LINK… | up LINK…",
      .summary = "List links, take them down and up",
      .example = "netctr lab link ls\nnetctr lab link down h1:eth1\n"
                 "netctr lab link up -n two-lans h1:eth1,r1:eth1"},
     lab_link_command},
    {{.name = "lab restart",
      .usage = "[FLAGS] [NODE…]",
      .summary = "Restart programs; links and addresses stay",
      .example = "netctr lab restart r1\nnetctr lab restart -n two-lans",
      .risky = true},
     lab_restart_command},
};

static const struct other_name others[] = {
    {"deploy", "did you mean `netctr lab up`?"},
    {"destroy", "`lab down` removes a lab (`netctr lab down --help`)"},
    {"start", "did you mean `netctr lab up`?"},
    {"stop", "`lab down` removes a lab (`netctr lab down --help`)"},
    {"list", "did you mean `netctr lab ls`?"},
    {"redeploy", "did you mean `netctr lab up --reconfigure`?"},
    {"netem", "`lab set` changes what is done to the packets of a link (`netctr lab set --help`)"},
    {NULL, NULL},
};

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct group group = {&command_lab, verbs, ARRAY_LEN(verbs), others};
    return group_run(&group, cli, argc, argv, e);
}

const struct command command_lab = {
    .name = "lab",
    .usage = "COMMAND [ARG…]",
    .summary = "Labs from a topology file: up, down, ls, inspect, exec and more",
    .example = "netctr lab up labs/two-lans.clab.yml\n"
               "netctr lab exec h1 ping -c 1 h2",
    .group = true,
    .sealed = true,
    .run = run,
};
