/* Commands and flags that docker and podman have and netctr has not, and what to do instead. Without this list they would be
 * taken for typing errors: `pull` for `kill`, `--gpus` for `--cpus`.
 */
#include "cli.h"

#include <string.h>

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

#define ALL "name the containers, as in `$(netctr ps -q)`"
#define CIDFILE "`$(cat FILE)` is the id"
#define CPUS "`--cpus` limits the processor time"
#define DESCRIPTORS "a program gets stdin, stdout and stderr; `-v` mounts a socket or a file"
#define DEVICES "a container has no devices of the host"
#define ELSEWHERE \
    "netctr works on this host, without a daemon; `ssh HOST netctr …` works on another"
#define HEALTH "there are no health checks"
#define IGNORE "`|| true` behind the command ignores that a container does not exist"
#define IMAGES "there are no images"
#define IO "nothing limits the use of disks"
#define LATEST "name the container"
#define LINKS "there are no links: containers of one network find each other by name"
#define LINK_LOCAL "an endpoint has one address of each family; `--ip` and `--ip6` choose it"
#define MEMORY "`--memory` limits the memory"
#define NAMESPACES "`ls -l /proc/PID/ns` shows them; `netctr inspect` has the PID"
#define OWN "each container has a namespace of its own"
#define PODS "there are no pods; `--network container:NAME` shares a network"
#define SELECTED "`netctr ps -q --filter` names them"
#define STOP_SIGNAL "`run --stop-signal` chooses it, and `netctr kill -s SIGNAL` sends one"
#define SWARM "that is for networks of several hosts; on one, nothing needs it"
#define UPPER "`du -sh /var/lib/netctr/containers/NAME/upper` shows what a container has written"
#define WARNINGS "warnings and errors are always printed, and there is no other log"

/* A flag, its letter, the commands that have it in docker or podman ("": the global flags), and why netctr has not, or what
 * does the same. */
static const struct {
    const char *name;
    char letter;
    const char *commands, *instead;
} flags[] = {
    {"add-device", 0, "run,create", DEVICES},
    {"all", 'a', "network reload", "without a name, all networks are reloaded"},
    {"all", 'a', "port", "`netctr ps` shows the ports of all"},
    {"all", 'a', "restart,kill,pause,unpause,rm", ALL},
    {"annotation", 0, "run,create", "`--label` adds a label"},
    {"arch", 0, "run,create", IMAGES},
    {"attach", 'a', "run,create",
     "without `-d`, stdout and stderr are attached, with `-i` stdin, too"},
    {"attachable", 0, "network create", SWARM},
    {"authfile", 0, "run,create", IMAGES},
    {"aux-address", 0, "network create", "`--ip-range` keeps addresses free"},
    {"blkio-weight", 0, "run,create,update", IO},
    {"blkio-weight-device", 0, "run,create,update", IO},
    {"cgroup-conf", 0, "run,create", MEMORY},
    {"cgroup-parent", 0, "run,create", "containers are below netctr/ in each hierarchy"},
    {"cgroupns", 0, "run,create", OWN},
    {"cgroups", 0, "run,create", "a container always has cgroups where limits need them"},
    {"checkpoint", 0, "start",
     "there are no checkpoints; `netctr pause` freezes a container until `unpause`"},
    {"chrootdirs", 0, "run,create", "the files of /etc are mounted"},
    {"cidfile", 0, "restart,stop,kill,pause,unpause,rm", CIDFILE},
    {"color", 0, "logs", "`logs` shows one container, so there is nothing to tell apart"},
    {"condition", 0, "wait",
     "`wait` waits for the end; `netctr events --filter container=NAME` shows every change"},
    {"config", 0, "", "there is no configuration file: flags say everything"},
    {"config-from", 0, "network create", SWARM},
    {"config-only", 0, "network create", SWARM},
    {"conmon-pidfile", 0, "run,create",
     "`--pid-file` has the program; the monitor is in `netctr inspect`"},
    {"context", 'c', "", ELSEWHERE},
    {"cpu-period", 0, "run,create,update", CPUS},
    {"cpu-quota", 0, "run,create,update", CPUS},
    {"cpu-rt-period", 0, "run,create,update", CPUS},
    {"cpu-rt-runtime", 0, "run,create,update", CPUS},
    {"cpu-shares", 'c', "run,create,update", CPUS},
    {"cpuset-cpus", 0, "run,create", "`taskset -c LIST PROGRAM` as COMMAND binds it to processors"},
    {"cpuset-cpus", 0, "update",
     "`taskset -acp LIST PID` on the host binds a process to processors"},
    {"cpuset-mems", 0, "run,create",
     "`numactl -m LIST PROGRAM` as COMMAND binds it to memory nodes, with `--cap-add SYS_NICE`"},
    {"cpuset-mems", 0, "update",
     "memory stays on the nodes where it is; `migratepages` on the host moves it"},
    {"debug", 'D', "", WARNINGS},
    {"depend", 0, "rm", "name the containers that share its network, too, in any order"},
    {"details", 0, "logs",
     "lines of the log have no attributes; `netctr inspect NAME` shows the labels"},
    {"device", 0, "run,create", DEVICES},
    {"device-cgroup-rule", 0, "run,create", DEVICES},
    {"device-read-bps", 0, "run,create,update", IO},
    {"device-read-iops", 0, "run,create,update", IO},
    {"device-write-bps", 0, "run,create,update", IO},
    {"device-write-iops", 0, "run,create,update", IO},
    {"disable-content-trust", 0, "run,create", IMAGES},
    {"dns", 0, "network create", "`netctr run --dns` sets the servers of a container"},
    {"dns-add", 0, "network update", "`netctr run --dns` sets the servers of a container"},
    {"dns-drop", 0, "network update", "`netctr run --dns` sets the servers of a container"},
    {"domainname", 0, "run,create", "`--hostname` takes a name with dots"},
    {"driver-opt", 0, "network connect",
     "the bridge driver has no options for one endpoint; `network create --sysctl` sets those of interfaces"},
    {"env-host", 0, "run,create", "`-e NAME` passes one variable through"},
    {"env-merge", 0, "run,create", "`-e NAME=VALUE` sets a variable"},
    {"external", 0, "ps",
     "other programs' containers are not netctr's; `ps -a` shows all of its own"},
    {"filter", 0, "rm", SELECTED},
    {"filter", 'f', "start,restart,stop,pause,unpause", SELECTED},
    {"gpus", 0, "run,create", DEVICES},
    {"health-cmd", 0, "run,create", HEALTH},
    {"health-interval", 0, "run,create", HEALTH},
    {"health-on-failure", 0, "run,create", HEALTH},
    {"health-retries", 0, "run,create", HEALTH},
    {"health-start-interval", 0, "run,create", HEALTH},
    {"health-start-period", 0, "run,create", HEALTH},
    {"health-timeout", 0, "run,create", HEALTH},
    {"host", 'H', "", ELSEWHERE},
    {"hostuser", 0, "run,create", "no user of the host is added to the container"},
    {"http-proxy", 0, "run,create", "`-e http_proxy` passes your proxy on"},
    {"ignore", 0, "network create",
     "`netctr network inspect NAME || netctr network create NAME` makes it once"},
    {"ignore", 'i', "restart", IGNORE},
    {"ignore", 0, "wait", IGNORE},
    {"image-volume", 0, "run,create", IMAGES},
    {"ingress", 0, "network create", SWARM},
    {"init-ctr", 0, "run,create", PODS},
    {"init-path", 0, "run,create", "`--init` is netctr's own"},
    {"interval", 'i', "stats", "a round comes each second"},
    {"interval", 'i', "wait",
     "`wait` returns at the end of the container, without asking again and again"},
    {"ipam-opt", 0, "network create",
     "netctr chooses the addresses itself; `--subnet` and `--ip-range` say from where"},
    {"ipc", 0, "run,create", OWN},
    {"ipv4", 0, "network create", "a `--subnet` of IPv6 alone makes a network without IPv4"},
    {"isolation", 0, "run,create", "that is for Windows"},
    {"kernel-memory", 0, "run,create,update", MEMORY},
    {"latest", 'l',
     "exec,logs,inspect,start,restart,stop,diff,stats,kill,pause,unpause,wait,rm,attach,top,port",
     LATEST},
    {"latest", 'l', "network reload", "name the network"},
    {"link", 0, "run,create,rm,network connect", LINKS},
    {"link-local-ip", 0, "run,create,network connect", LINK_LOCAL},
    {"log-level", 'l', "", WARNINGS},
    {"memory-reservation", 0, "run,create,update", MEMORY},
    {"memory-swap", 0, "run,create,update", MEMORY},
    {"memory-swappiness", 0, "run,create,update", MEMORY},
    {"namespace", 0, "ps", NAMESPACES},
    {"net-alias", 0, "run,create", "use `--network-alias`"},
    {"no-healthcheck", 0, "run,create", HEALTH},
    {"no-hosts", 0, "run,create", "mount a file of your own: `-v FILE:/etc/hosts`"},
    {"no-reset", 0, "stats", "`netctr stats | cat` does not clear the screen"},
    {"no-trunc", 0, "stats,events,network ls", "nothing is cut"},
    {"ns", 0, "ps", NAMESPACES},
    {"oom-kill-disable", 0, "run,create", "without `--memory` no limit kills the program"},
    {"os", 0, "run,create", IMAGES},
    {"overwrite", 0, "cp", "an existing file is always replaced"},
    {"passwd", 0, "run,create", "/etc/passwd stays as it is"},
    {"passwd-entry", 0, "run,create", "/etc/passwd stays as it is"},
    {"pause", 0, "cp", "a container that runs goes on; `netctr pause` freezes it"},
    {"personality", 0, "run,create", "COMMAND can set it: `setarch linux32 PROGRAM`"},
    {"pid", 0, "run,create", OWN},
    {"platform", 0, "run,create", IMAGES},
    {"pod", 'p', "ps",
     "there are no pods; `--filter network=NAME` shows the containers of a network"},
    {"pod", 0, "run,create", "`--network container:NAME` shares a network"},
    {"pod-id-file", 0, "run,create", PODS},
    {"preserve-fds", 0, "run,create,exec", DESCRIPTORS},
    {"privileged", 0, "exec",
     "commands have the capabilities of the container, which `run --cap-add` gives"},
    {"privileged", 0, "run,create", "name what the command needs with `--cap-add`"},
    {"pull", 0, "run,create", IMAGES},
    {"quiet", 'q', "cp", "nothing is printed but errors"},
    {"quiet", 'q', "run,create", IMAGES},
    {"read-only-tmpfs", 0, "run,create", "`--tmpfs /tmp` adds one to `--read-only`"},
    {"remote", 0, "", ELSEWHERE},
    {"replace", 0, "run,create", "`netctr rm -f NAME` before it"},
    {"requires", 0, "run,create", "start the others before it"},
    {"rmi", 0, "run,create", IMAGES},
    {"rootfs", 0, "run,create", "ROOTFS is the first word behind the flags"},
    {"running", 0, "restart", ALL},
    {"runtime", 0, "run,create", "netctr is the runtime"},
    {"scope", 0, "network create", SWARM},
    {"sdnotify", 0, "run,create",
     "no readiness is passed on: Type=exec of a unit that calls `netctr run` attached needs none"},
    {"seccomp-policy", 0, "run,create", IMAGES},
    {"secret", 0, "run,create", "`-v FILE:/PATH:ro` mounts a file"},
    {"security-opt", 0, "run,create",
     "seccomp and capabilities are on; `--cap-add` and `--cap-drop` change them"},
    {"sig-proxy", 0, "run,create", "an attached `run` always passes signals on; `-d` does not"},
    {"sig-proxy", 0, "start", "an attached `start` always passes signals on"},
    {"signal", 's', "restart,stop", STOP_SIGNAL},
    {"size", 's', "ps,inspect", UPPER},
    {"sort", 0, "ps", "`--format json | jq` sorts"},
    {"storage-opt", 0, "run,create", "ROOTFS is a directory, which has the space of its disk"},
    {"subgidname", 0, "run,create", "`--gidmap` gives a map of ids"},
    {"subuidname", 0, "run,create", "`--uidmap` gives a map of ids"},
    {"sync", 0, "ps", "`ps` always asks the kernel"},
    {"systemd", 0, "run,create", "`--init` reaps processes; a whole systemd is not supported"},
    {"time", 't', "network rm", "`netctr stop -t` ends its containers first"},
    {"time", 't', "rm", "`netctr stop -t SECONDS NAME` before it"},
    {"timeout", 0, "run,create", "`timeout SECONDS netctr run` ends it"},
    {"tls", 0, "", ELSEWHERE},
    {"tls-verify", 0, "run,create", IMAGES},
    {"type", 't', "inspect", "`netctr network inspect` shows networks"},
    {"tz", 0, "run,create", "`-e TZ=ZONE` sets the time zone of most programs"},
    {"unsetenv", 0, "run,create", "a directory has no variables of its own"},
    {"unsetenv-all", 0, "run,create", "a directory has no variables of its own"},
    {"uts", 0, "run,create", OWN},
    {"variant", 0, "run,create", IMAGES},
    {"verbose", 'v', "network inspect", "everything is shown"},
    {"volume-driver", 0, "run,create", "`-v DIR:/PATH` mounts a directory"},
    {"volumes", 'v', "rm", "there are no named volumes"},
    {"volumes-from", 0, "run,create", "`-v DIR:/PATH` mounts a directory"},
    {"watch", 'w', "ps", "`netctr events` shows changes"},
};

/* Is @command in @list, whose words commas separate? */
static bool is_one_of(const char *command, const char *list)
{
    const size_t size = strlen(command);
    for (const char *at = list;; at++) {
        const size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, command, size) == 0)
            return true;
        at += length;
        if (!*at)
            return false;
    }
}

struct absent *absent_flags(const char *command)
{
    size_t count = 0;
    struct absent *out = xcalloc(ARRAY_LEN(flags) + 1, sizeof(*out));
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (is_one_of(command, flags[i].commands))
            out[count++] = (struct absent){flags[i].name, flags[i].letter, flags[i].instead};
    return out;
}
