/* Commands and flags that docker and podman have and netctr has not, and what to do instead. Without this list they would be
 * taken for typing errors: `pull` for `kill`, `--gpus` for `--cpus`.
 */
#include "cli.h"

static const char images[] =
    "netctr has no images: it runs directories, and `scripts/mkrootfs DIR` makes one";
static const char plain[] = "netctr does not have it yet";
static const char compose[] =
    "netctr does not have it yet: a shell script with `netctr network create` and `netctr run -d` "
    "does the same";
static const char remove_hint[] = "`rm` removes containers (`netctr rm --help`)";
static const char shell[] = "`netctr exec -i NAME sh` runs a shell in a container";

static const struct {
    const char *name, *instead;
} commands[] = {
    {"bash", shell},
    {"build", images},
    {"builder", images},
    {"buildx", images},
    {"checkpoint", plain},
    {"commit", images},
    {"compose", compose},
    {"config", plain},
    {"container", "leave `container` out; `netctr --help` lists the commands"},
    {"context", plain},
    {"delete", remove_hint},
    {"down", compose},
    {"export", "netctr does not have it yet: what a container has changed is in "
               "/var/lib/netctr/containers/NAME/upper"},
    {"generate", plain},
    {"healthcheck", plain},
    {"history", images},
    {"image", images},
    {"images", images},
    {"import", images},
    {"init", plain},
    {"kube", plain},
    {"list", "`netctr ps` lists containers"},
    {"load", images},
    {"log", "`netctr logs NAME` shows the output of a container"},
    {"login", images},
    {"logout", images},
    {"ls", "`netctr ps` lists containers"},
    {"machine", plain},
    {"manifest", images},
    {"mount", plain},
    {"net", "`netctr network --help` lists the commands of networks"},
    {"node", plain},
    {"play", plain},
    {"plugin", plain},
    {"pod", "netctr does not have it yet: `netctr run --network container:NAME` shares a network"},
    {"prune", "`netctr --help` lists the commands"},
    {"pull", images},
    {"push", images},
    {"remove", remove_hint},
    {"rmi", images},
    {"save", images},
    {"scout", images},
    {"search", images},
    {"secret", plain},
    {"service", plain},
    {"sh", shell},
    {"shell", shell},
    {"show", "`netctr inspect NAME` shows everything about a container"},
    {"stack", compose},
    {"status", "`netctr ps -a` lists containers, `netctr info` describes this host"},
    {"swarm", plain},
    {"system",
     "`netctr info`, `netctr events` and `netctr doctor` describe this host, `netctr reset` removes everything"},
    {"tag", images},
    {"trust", images},
    {"umount", plain},
    {"unmount", plain},
    {"unshare", plain},
    {"untag", images},
    {"up", compose},
    {"volume", "netctr has no named volumes: `netctr run -v DIR:/PATH` mounts a directory"},
};

const char *absent_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (streq(commands[i].name, name))
            return commands[i].instead;
    return NULL;
}

/* ---- flags -----------------------------------------------------------------------------------*/

#define CPUS "`--cpus` limits the processor time"
#define HEALTH "there are no health checks"
#define IMAGES "there are no images"
#define MEMORY "`--memory` limits the memory"
#define LATEST "name the container"
#define ALL "name the containers, as in `$(netctr ps -q)`"
#define SELECTED "`netctr ps -q --filter` names them"
#define OWN "each container has a namespace of its own"
#define IO "nothing limits the use of disks"
#define DEVICES "a container has no devices of the host"

static const struct absent global_flags[] = {
    {"config", 0, NULL},      {"context", 'c', NULL}, {"debug", 'D', NULL}, {"host", 'H', NULL},
    {"log-level", 'l', NULL}, {"remote", 0, NULL},    {"tls", 0, NULL},     {0},
};

static const struct absent run_flags[] = {
    {"add-device", 0, DEVICES},
    {"annotation", 0, "`--label` adds a label"},
    {"arch", 0, IMAGES},
    {"attach", 'a', "without `-d`, stdout and stderr are attached, with `-i` stdin, too"},
    {"authfile", 0, IMAGES},
    {"blkio-weight", 0, IO},
    {"blkio-weight-device", 0, IO},
    {"cgroup-conf", 0, MEMORY},
    {"cgroup-parent", 0, "containers are below netctr/ in each hierarchy"},
    {"cgroupns", 0, OWN},
    {"cgroups", 0, "a container always has cgroups where limits need them"},
    {"chrootdirs", 0, "the files of /etc are mounted"},
    {"conmon-pidfile", 0, "`--pid-file` has the program; the monitor is in `netctr inspect`"},
    {"cpu-period", 0, CPUS},
    {"cpu-quota", 0, CPUS},
    {"cpu-rt-period", 0, CPUS},
    {"cpu-rt-runtime", 0, CPUS},
    {"cpu-shares", 'c', CPUS},
    {"cpuset-cpus", 0, CPUS},
    {"cpuset-mems", 0, "`--cpus` limits the processor time"},
    {"device", 0, DEVICES},
    {"device-cgroup-rule", 0, DEVICES},
    {"device-read-bps", 0, IO},
    {"device-read-iops", 0, IO},
    {"device-write-bps", 0, IO},
    {"device-write-iops", 0, IO},
    {"disable-content-trust", 0, IMAGES},
    {"domainname", 0, "`--hostname` takes a name with dots"},
    {"env-host", 0, "`-e NAME` passes one variable through"},
    {"env-merge", 0, "`-e NAME=VALUE` sets a variable"},
    {"gpus", 0, DEVICES},
    {"health-cmd", 0, HEALTH},
    {"health-interval", 0, HEALTH},
    {"health-on-failure", 0, HEALTH},
    {"health-retries", 0, HEALTH},
    {"health-start-interval", 0, HEALTH},
    {"health-start-period", 0, HEALTH},
    {"health-timeout", 0, HEALTH},
    {"hostuser", 0, "no user of the host is added to the container"},
    {"http-proxy", 0, "`-e http_proxy` passes your proxy on"},
    {"image-volume", 0, IMAGES},
    {"init-ctr", 0, "there are no pods"},
    {"init-path", 0, "`--init` is netctr's own"},
    {"ipc", 0, OWN},
    {"isolation", 0, "that is for Windows"},
    {"kernel-memory", 0, MEMORY},
    {"link", 0, "containers of one network find each other by name"},
    {"link-local-ip", 0, NULL},
    {"memory-reservation", 0, MEMORY},
    {"memory-swap", 0, MEMORY},
    {"memory-swappiness", 0, MEMORY},
    {"net-alias", 0, "use `--network-alias`"},
    {"no-healthcheck", 0, HEALTH},
    {"no-hosts", 0, "mount a file of your own: `-v FILE:/etc/hosts`"},
    {"oom-kill-disable", 0, "without `--memory` no limit kills the program"},
    {"os", 0, IMAGES},
    {"passwd", 0, "/etc/passwd stays as it is"},
    {"passwd-entry", 0, "/etc/passwd stays as it is"},
    {"personality", 0, NULL},
    {"pid", 0, OWN},
    {"platform", 0, IMAGES},
    {"pod", 0, "`--network container:NAME` shares a network"},
    {"pod-id-file", 0, "there are no pods"},
    {"preserve-fds", 0, NULL},
    {"privileged", 0, "name what the command needs with `--cap-add`"},
    {"pull", 0, IMAGES},
    {"quiet", 'q', IMAGES},
    {"read-only-tmpfs", 0, "`--tmpfs /tmp` adds one to `--read-only`"},
    {"replace", 0, "`netctr rm -f NAME` before it"},
    {"requires", 0, "start the others before it"},
    {"rmi", 0, IMAGES},
    {"rootfs", 0, "ROOTFS is the first word behind the flags"},
    {"runtime", 0, "netctr is the runtime"},
    {"sdnotify", 0, NULL},
    {"seccomp-policy", 0, IMAGES},
    {"secret", 0, "`-v FILE:/PATH:ro` mounts a file"},
    {"security-opt", 0,
     "seccomp and capabilities are on; `--cap-add` and `--cap-drop` change them"},
    {"sig-proxy", 0, "an attached `run` always passes signals on; `-d` does not"},
    {"storage-opt", 0, "ROOTFS is a directory, which has the space of its disk"},
    {"subgidname", 0, "`--gidmap` gives a map of ids"},
    {"subuidname", 0, "`--uidmap` gives a map of ids"},
    {"systemd", 0, "`--init` reaps processes; a whole systemd is not supported"},
    {"timeout", 0, "`timeout SECONDS netctr run` ends it"},
    {"tls-verify", 0, IMAGES},
    {"tz", 0, "`-e TZ=ZONE` sets the time zone of most programs"},
    {"unsetenv", 0, "a directory has no variables of its own"},
    {"unsetenv-all", 0, "a directory has no variables of its own"},
    {"uts", 0, OWN},
    {"variant", 0, IMAGES},
    {"volume-driver", 0, "`-v DIR:/PATH` mounts a directory"},
    {"volumes-from", 0, "`-v DIR:/PATH` mounts a directory"},
    {0},
};

static const struct absent exec_flags[] = {
    {"latest", 'l', LATEST},
    {"preserve-fds", 0, NULL},
    {"privileged", 0,
     "commands have the capabilities of the container, which `run --cap-add` gives"},
    {0},
};

static const struct absent ps_flags[] = {
    {"external", 0, NULL},
    {"namespace", 0, NULL},
    {"noheading", 0, "`--format json` has no heading"},
    {"ns", 0, NULL},
    {"pod", 'p', NULL},
    {"size", 's', NULL},
    {"sort", 0, "`--format json | jq` sorts"},
    {"sync", 0, NULL},
    {"watch", 'w', "`netctr events` shows changes"},
    {0},
};

static const struct absent logs_flags[] = {
    {"color", 0, NULL}, {"details", 0, NULL}, {"latest", 'l', LATEST}, {"names", 0, NULL}, {0},
};

static const struct absent inspect_flags[] = {
    {"latest", 'l', LATEST},
    {"size", 's', NULL},
    {"type", 0, "`netctr network inspect` shows networks"},
    {0},
};

static const struct absent start_flags[] = {
    {"checkpoint", 0, NULL},
    {"filter", 'f', SELECTED},
    {"latest", 'l', LATEST},
    {"sig-proxy", 0, "an attached `start` always passes signals on"},
    {0},
};

static const struct absent stats_flags[] = {
    {"interval", 'i', "a round comes each second"},
    {"latest", 'l', LATEST},
    {"no-reset", 0, NULL},
    {"no-trunc", 0, "nothing is cut"},
    {0},
};

static const struct absent update_flags[] = {
    {"blkio-weight", 0, NULL},        {"cpu-period", 0, CPUS},
    {"cpu-quota", 0, CPUS},           {"cpu-rt-period", 0, CPUS},
    {"cpu-rt-runtime", 0, CPUS},      {"cpu-shares", 'c', CPUS},
    {"cpuset-cpus", 0, CPUS},         {"cpuset-mems", 0, NULL},
    {"kernel-memory", 0, NULL},       {"memory-reservation", 0, MEMORY},
    {"memory-swap", 0, MEMORY},       {"blkio-weight-device", 0, IO},
    {"device-read-bps", 0, IO},       {"device-read-iops", 0, IO},
    {"device-write-bps", 0, IO},      {"device-write-iops", 0, IO},
    {"memory-swappiness", 0, MEMORY}, {0},
};

static const struct absent stop_flags[] = {
    {"cidfile", 0, "`$(cat FILE)` is the id"},
    {"filter", 'f', SELECTED},
    {"ignore", 'i', NULL},
    {"latest", 'l', LATEST},
    {"signal", 's', NULL},
    {0},
};

static const struct absent restart_flags[] = {
    {"cidfile", 0, "`$(cat FILE)` is the id"},
    {"filter", 'f', SELECTED},
    {"ignore", 'i', NULL},
    {"latest", 'l', LATEST},
    {"signal", 's', NULL},
    {"all", 0, ALL},
    {"running", 0, ALL},
    {0},
};

static const struct absent wait_flags[] = {
    {"condition", 0, NULL},
    {"ignore", 'i', NULL},
    {"interval", 0, NULL},
    {"latest", 'l', LATEST},
    {0},
};

static const struct absent pause_flags[] = {
    {"all", 'a', ALL},
    {"cidfile", 0, "`$(cat FILE)` is the id"},
    {"filter", 'f', SELECTED},
    {"latest", 'l', LATEST},
    {0},
};

static const struct absent cp_flags[] = {
    {"overwrite", 0, "an existing file is always replaced"},
    {"pause", 0, "a container that runs goes on; `netctr pause` freezes it"},
    {"quiet", 'q', "nothing is printed but errors"},
    {0},
};

static const struct absent diff_flags[] = {{"latest", 'l', LATEST}, {0}};

static const struct absent kill_flags[] = {
    {"all", 'a', ALL},
    {"cidfile", 0, "`$(cat FILE)` is the id"},
    {"latest", 'l', LATEST},
    {0},
};

static const struct absent rm_flags[] = {
    {"all", 'a', ALL},
    {"cidfile", 0, "`$(cat FILE)` is the id"},
    {"depend", 0, NULL},
    {"filter", 0, SELECTED},
    {"ignore", 'i', NULL},
    {"latest", 'l', LATEST},
    {"link", 0, NULL},
    {"time", 't', NULL},
    {"volumes", 'v', "there are no named volumes"},
    {0},
};

static const struct absent create_flags[] = {
    {"attachable", 0, NULL},
    {"aux-address", 0, "`--ip-range` keeps addresses free"},
    {"config-from", 0, NULL},
    {"config-only", 0, NULL},
    {"dns", 0, "`netctr run --dns` sets the servers of a container"},
    {"ignore", 0, NULL},
    {"ingress", 0, NULL},
    {"ipam-opt", 0, NULL},
    {"ipv4", 0, NULL},
    {"scope", 0, NULL},
    {0},
};

static const struct absent network_ls_flags[] = {
    {"no-trunc", 0, "nothing is cut"}, {"noheading", 0, "`-q` prints names alone"}, {0}};

static const struct absent network_inspect_flags[] = {{"verbose", 'v', "everything is shown"}, {0}};

static const struct absent network_rm_flags[] = {
    {"time", 't', "`netctr stop -t` ends its containers first"}, {0}};

static const struct absent network_reload_flags[] = {
    {"all", 'a', "without a name, all networks are reloaded"},
    {"latest", 'l', "name the network"},
    {0}};

static const struct absent one_flags[] = {{"latest", 'l', LATEST}, {0}};

static const struct absent port_flags[] = {
    {"all", 'a', "`netctr ps` shows the ports of all"}, {"latest", 'l', LATEST}, {0}};

static const struct absent events_flags[] = {{"no-trunc", 0, "nothing is cut"}, {0}};

static const struct absent network_update_flags[] = {
    {"dns-add", 0, "`netctr run --dns` sets the servers of a container"},
    {"dns-drop", 0, "`netctr run --dns` sets the servers of a container"},
    {0},
};

static const struct absent connect_flags[] = {
    {"driver-opt", 0, NULL},
    {"link", 0, "containers of one network find each other by name"},
    {"link-local-ip", 0, NULL},
    {0},
};

const struct absent *absent_flags(const char *command)
{
    static const struct {
        const char *command;
        const struct absent *flags;
    } tables[] = {
        {"", global_flags},
        {"run", run_flags},
        {"create", run_flags},
        {"exec", exec_flags},
        {"ps", ps_flags},
        {"logs", logs_flags},
        {"inspect", inspect_flags},
        {"start", start_flags},
        {"restart", restart_flags},
        {"stop", stop_flags},
        {"cp", cp_flags},
        {"diff", diff_flags},
        {"update", update_flags},
        {"stats", stats_flags},
        {"kill", kill_flags},
        {"pause", pause_flags},
        {"unpause", pause_flags},
        {"wait", wait_flags},
        {"rm", rm_flags},
        {"attach", one_flags},
        {"top", one_flags},
        {"port", port_flags},
        {"events", events_flags},
        {"network ls", network_ls_flags},
        {"network inspect", network_inspect_flags},
        {"network rm", network_rm_flags},
        {"network reload", network_reload_flags},
        {"network create", create_flags},
        {"network connect", connect_flags},
        {"network update", network_update_flags},
    };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (streq(tables[i].command, command))
            return tables[i].flags;
    return NULL;
}
