/* look - prints what exists as sorted lines of text, fast enough for thousands of calls.
 *
 *     look host STATE RUN                    all that containers could leave on this host
 *     look host STATE RUN --until FILE MS    until it is as in FILE; status 1 if that never happens
 *     look container PID                     what a container is, seen from here: its privileges,
 *                                            mounts, limits, network, files
 *
 * Random names (ids, inodes, numbers of links and processes) are left out, so that two outputs can be
 * compared.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/if_bridge.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "look: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- lines -----------------------------------------------------------------------------------*/

static char **lines;
static size_t line_count, line_room;

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        die("memory");
    va_end(args);
    if (line_count == line_room) {
        line_room = line_room * 2 + 256;
        lines = reallocarray(lines, line_room, sizeof(*lines));
        if (!lines)
            die("memory");
    }
    lines[line_count++] = text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All lines as one text, which the caller frees; the list is empty again. */
static char *take_text(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    qsort(lines, line_count, sizeof(*lines), by_text);
    for (size_t i = 0; i < line_count; i++) {
        fprintf(f, "%s\n", lines[i]);
        free(lines[i]);
    }
    line_count = 0;
    fclose(f);
    return text;
}

static char *read_all(const char *path)
{
    char *text = NULL;
    size_t used = 0, room = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return NULL;
    for (ssize_t n = 1; n > 0; used += n > 0 ? (size_t)n : 0) {
        if (room - used < 4096) {
            room = room * 2 + 8192;
            text = realloc(text, room);
        }
        n = read(fd, text + used, room - used - 1);
    }
    close(fd);
    text[used] = '\0';
    return text;
}

/* Each line of a file, without its end. */
#define each_line(line, text) \
    for (char *rest_ = (text), *line; (line = strsep(&rest_, "\n")) && (*line || rest_);)

static void hex(char *out, size_t room, const void *data, size_t size)
{
    *out = '\0';
    for (size_t i = 0; i < size && 2 * i + 2 < room; i++)
        sprintf(out + 2 * i, "%02x", ((const uint8_t *)data)[i]);
}

/* ---- netlink ---------------------------------------------------------------------------------*/

static struct mnl_socket **bus_of(int bus)
{
    static struct mnl_socket *route, *netfilter;
    struct mnl_socket **s = bus == NETLINK_ROUTE ? &route : &netfilter;
    if (!*s && (!(*s = mnl_socket_open2(bus, SOCK_CLOEXEC)) ||
                mnl_socket_bind(*s, 0, MNL_SOCKET_AUTOPID) < 0))
        die("netlink");
    return s;
}

/* False if the kernel does not support the request, or something changed meanwhile: the rest of such an
 * answer is still to come, so the socket is not used again. */
static bool dump(int bus, struct nlmsghdr *request, mnl_cb_t each, void *arg)
{
    static char buffer[65536];
    static uint32_t sequence;
    struct mnl_socket **bus_socket = bus_of(bus), *s = *bus_socket;
    request->nlmsg_seq = ++sequence;
    if (mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
        die("ask the kernel");
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(s, buffer, sizeof(buffer));
        if (n < 0)
            die("hear from the kernel");
        int r =
            mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq, mnl_socket_get_portid(s), each, arg);
        if (r == MNL_CB_STOP)
            return true;
        if (r < 0) {
            mnl_socket_close(s);
            *bus_socket = NULL;
            return false;
        }
    }
}

static int index_attribute(const struct nlattr *a, void *table)
{
    if (mnl_attr_get_type(a) < 64)
        ((const struct nlattr **)table)[mnl_attr_get_type(a)] = a;
    return MNL_CB_OK;
}

static bool route_dump(int type, int family, size_t header, mnl_cb_t each)
{
    char buffer[256];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    h->nlmsg_type = (uint16_t)type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    /* the family is the first byte of every header */
    *(uint8_t *)mnl_nlmsg_put_extra_header(h, header) = (uint8_t)family;
    return dump(NETLINK_ROUTE, h, each, NULL);
}

static const char *name_of(uint32_t index)
{
    static char name[IFNAMSIZ];
    return index && if_indextoname(index, name) ? name : "-";
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
    const struct nlattr *a[64] = {0}, *kind[64] = {0}, *port[64] = {0};
    char mac[32] = "", flags[128] = "";
    (void)arg;
    mnl_attr_parse(h, sizeof(*info), index_attribute, a);
    if (a[IFLA_ADDRESS])
        hex(mac, sizeof(mac), mnl_attr_get_payload(a[IFLA_ADDRESS]),
            mnl_attr_get_payload_len(a[IFLA_ADDRESS]));
    if (a[IFLA_LINKINFO])
        mnl_attr_parse_nested(a[IFLA_LINKINFO], index_attribute, kind);
    if (kind[IFLA_INFO_SLAVE_DATA]) {
        static const int shown[] = {IFLA_BRPORT_MODE,     IFLA_BRPORT_GUARD,
                                    IFLA_BRPORT_PROTECT,  IFLA_BRPORT_LEARNING,
                                    IFLA_BRPORT_ISOLATED, IFLA_BRPORT_UNICAST_FLOOD};
        mnl_attr_parse_nested(kind[IFLA_INFO_SLAVE_DATA], index_attribute, port);
        for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
            if (port[shown[i]])
                sprintf(flags + strlen(flags), " %d=%d", shown[i], mnl_attr_get_u8(port[shown[i]]));
    }
    say("link %s %s alias `%s` mac %s mtu %u master %s%s%s",
        a[IFLA_IFNAME] ? mnl_attr_get_str(a[IFLA_IFNAME]) : "?",
        kind[IFLA_INFO_KIND] ? mnl_attr_get_str(kind[IFLA_INFO_KIND]) : "-",
        a[IFLA_IFALIAS] ? mnl_attr_get_str(a[IFLA_IFALIAS]) : "", mac,
        a[IFLA_MTU] ? mnl_attr_get_u32(a[IFLA_MTU]) : 0,
        name_of(a[IFLA_MASTER] ? mnl_attr_get_u32(a[IFLA_MASTER]) : 0),
        info->ifi_flags & IFF_UP ? " up" : "", flags);
    return MNL_CB_OK;
}

static const char *ip_text(int family, const struct nlattr *a)
{
    static char text[2][INET6_ADDRSTRLEN];
    static int turn;
    turn = !turn;
    if (!a || !inet_ntop(family, mnl_attr_get_payload(a), text[turn], sizeof(text[turn])))
        return "-";
    return text[turn];
}

static int on_address(const struct nlmsghdr *h, void *arg)
{
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *a[64] = {0};
    (void)arg;
    mnl_attr_parse(h, sizeof(*m), index_attribute, a);
    const char *text = ip_text(m->ifa_family, a[IFA_ADDRESS]);
    if (strncmp(text, "fe80:", 5) != 0) /* the kernel's own entries, which change by themselves */
        say("address %s/%d on %s", text, m->ifa_prefixlen, name_of(m->ifa_index));
    return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *a[64] = {0};
    (void)arg;
    mnl_attr_parse(h, sizeof(*m), index_attribute, a);
    const char *to = ip_text(m->rtm_family, a[RTA_DST]);
    if (m->rtm_table == RT_TABLE_MAIN && strncmp(to, "fe80:", 5) != 0)
        say("route %s/%d via %s on %s", to, m->rtm_dst_len, ip_text(m->rtm_family, a[RTA_GATEWAY]),
            name_of(a[RTA_OIF] ? mnl_attr_get_u32(a[RTA_OIF]) : 0));
    return MNL_CB_OK;
}

/* Neighbours and, with AF_BRIDGE, forwarding entries that were set; a device's own groups come and go. */
static int on_neighbour(const struct nlmsghdr *h, void *arg)
{
    const struct ndmsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *a[64] = {0};
    char mac[32] = "";
    (void)arg;
    mnl_attr_parse(h, sizeof(*m), index_attribute, a);
    if (a[NDA_LLADDR])
        hex(mac, sizeof(mac), mnl_attr_get_payload(a[NDA_LLADDR]),
            mnl_attr_get_payload_len(a[NDA_LLADDR]));
    if (m->ndm_family == AF_BRIDGE && strncmp(mac, "3333", 4) && strncmp(mac, "0100", 4))
        say("fdb %s on %s state %x flags %x", mac, name_of((uint32_t)m->ndm_ifindex), m->ndm_state,
            m->ndm_flags);
    else if (m->ndm_family != AF_BRIDGE && (m->ndm_state & NUD_PERMANENT))
        say("neighbour %s is %s on %s", ip_text(m->ndm_family, a[NDA_DST]), mac,
            name_of((uint32_t)m->ndm_ifindex));
    return MNL_CB_OK;
}

static int on_group(const struct nlmsghdr *h, void *arg)
{
    const struct nlattr *table, *entry, *info;
    (void)arg;
    mnl_attr_for_each(table, h, sizeof(struct br_port_msg))
    {
        if ((mnl_attr_get_type(table) & NLA_TYPE_MASK) != MDBA_MDB)
            continue;
        mnl_attr_for_each_nested(entry, table) mnl_attr_for_each_nested(info, entry)
        {
            const struct br_mdb_entry *e = mnl_attr_get_payload(info);
            if (e->state == MDB_PERMANENT)
                say("mdb on %s", name_of(e->ifindex));
        }
    }
    return MNL_CB_OK;
}

static void look_at_links(void)
{
    (void)route_dump(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), on_link);
    (void)route_dump(RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), on_address);
    (void)route_dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), on_route);
    (void)route_dump(RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), on_route);
    (void)route_dump(RTM_GETNEIGH, AF_INET, sizeof(struct ndmsg), on_neighbour);
    (void)route_dump(RTM_GETNEIGH, AF_INET6, sizeof(struct ndmsg), on_neighbour);
    (void)route_dump(RTM_GETNEIGH, AF_BRIDGE, sizeof(struct ndmsg), on_neighbour);
    (void)route_dump(RTM_GETMDB, AF_BRIDGE, sizeof(struct br_port_msg), on_group);
}

/* ---- the firewall ----------------------------------------------------------------------------*/

struct set_name {
    uint32_t family;
    char *table, *name;
};
static struct set_name sets[256];
static size_t set_count;

/* The NAT-holding table belongs to the helper. */
static bool passed_over(const char *table)
{
    return strcmp(table, "netctr_nat_hold") == 0;
}

static int on_table(const struct nlmsghdr *h, void *arg)
{
    struct nftnl_table *t = nftnl_table_alloc();
    (void)arg;
    if (nftnl_table_nlmsg_parse(h, t) == 0 &&
        !passed_over(nftnl_table_get_str(t, NFTNL_TABLE_NAME)))
        say("table %u %s", nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY),
            nftnl_table_get_str(t, NFTNL_TABLE_NAME));
    nftnl_table_free(t);
    return MNL_CB_OK;
}

static int on_chain(const struct nlmsghdr *h, void *arg)
{
    struct nftnl_chain *c = nftnl_chain_alloc();
    (void)arg;
    if (nftnl_chain_nlmsg_parse(h, c) == 0 &&
        !passed_over(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE)))
        say("chain %s %s hook %u policy %u", nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE),
            nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM),
            nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY));
    nftnl_chain_free(c);
    return MNL_CB_OK;
}

/* Rules change only all at once: their number and comments are enough. */
static int on_rule(const struct nlmsghdr *h, void *arg)
{
    struct nftnl_rule *r = nftnl_rule_alloc();
    (void)arg;
    if (nftnl_rule_nlmsg_parse(h, r) == 0 &&
        !passed_over(nftnl_rule_get_str(r, NFTNL_RULE_TABLE))) {
        uint32_t size = 0;
        const void *comment = nftnl_rule_get_data(r, NFTNL_RULE_USERDATA, &size);
        char text[256] = "";
        hex(text, sizeof(text), comment, comment ? size : 0);
        say("rule %s %s %s", nftnl_rule_get_str(r, NFTNL_RULE_TABLE),
            nftnl_rule_get_str(r, NFTNL_RULE_CHAIN), text);
    }
    nftnl_rule_free(r);
    return MNL_CB_OK;
}

static int on_set(const struct nlmsghdr *h, void *arg)
{
    struct nftnl_set *s = nftnl_set_alloc();
    (void)arg;
    if (nftnl_set_nlmsg_parse(h, s) == 0 && set_count < 256 &&
        !passed_over(nftnl_set_get_str(s, NFTNL_SET_TABLE)))
        sets[set_count++] = (struct set_name){nftnl_set_get_u32(s, NFTNL_SET_FAMILY),
                                              strdup(nftnl_set_get_str(s, NFTNL_SET_TABLE)),
                                              strdup(nftnl_set_get_str(s, NFTNL_SET_NAME))};
    nftnl_set_free(s);
    return MNL_CB_OK;
}

static void element_part(struct nftnl_set_elem *e, uint16_t what, char *out, size_t room)
{
    uint32_t size = 0;
    const void *data = nftnl_set_elem_is_set(e, what) ? nftnl_set_elem_get(e, what, &size) : NULL;
    hex(out, room, data, data ? size : 0);
}

static int on_elements(const struct nlmsghdr *h, void *arg)
{
    const struct set_name *name = arg;
    struct nftnl_set *s = nftnl_set_alloc();
    if (nftnl_set_elems_nlmsg_parse(h, s) == 0) {
        struct nftnl_set_elems_iter *i = nftnl_set_elems_iter_create(s);
        for (struct nftnl_set_elem *e; (e = nftnl_set_elems_iter_next(i));) {
            char key[256], end[256], data[256];
            element_part(e, NFTNL_SET_ELEM_KEY, key, sizeof(key));
            element_part(e, NFTNL_SET_ELEM_KEY_END, end, sizeof(end));
            element_part(e, NFTNL_SET_ELEM_DATA, data, sizeof(data));
            bool goes = nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_TIMEOUT) &&
                        nftnl_set_elem_get_u64(e, NFTNL_SET_ELEM_TIMEOUT) > 0;
            const char *chain = nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_CHAIN)
                                    ? nftnl_set_elem_get_str(e, NFTNL_SET_ELEM_CHAIN)
                                    : "";
            say("element %s %s %s-%s : %s%s%s", name->table, name->name, key, end, data, chain,
                goes ? " expires" : "");
        }
        nftnl_set_elems_iter_destroy(i);
    }
    nftnl_set_free(s);
    return MNL_CB_OK;
}

static bool nft_dump(uint16_t type, mnl_cb_t each)
{
    char buffer[256];
    return dump(NETLINK_NETFILTER,
                nftnl_nlmsg_build_hdr(buffer, type, NFPROTO_UNSPEC, NLM_F_DUMP, 0), each, NULL);
}

static void look_at_firewall(void)
{
    while (set_count > 0) {
        free(sets[--set_count].table);
        free(sets[set_count].name);
    }
    (void)nft_dump(NFT_MSG_GETTABLE, on_table);
    (void)nft_dump(NFT_MSG_GETCHAIN, on_chain);
    (void)nft_dump(NFT_MSG_GETRULE, on_rule);
    (void)nft_dump(NFT_MSG_GETSET, on_set);
    for (size_t i = 0; i < set_count; i++) {
        char buffer[1024];
        struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM,
                                                   (uint16_t)sets[i].family, NLM_F_DUMP, 0);
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, sets[i].table);
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, sets[i].name);
        if (!dump(NETLINK_NETFILTER, h, on_elements, &sets[i]))
            say("elements of %s: changed meanwhile", sets[i].name);
    }
}

/* ---- files -----------------------------------------------------------------------------------*/

static uint64_t hash(const char *text, uint64_t h)
{
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3;
    return h;
}

/* Without information: a lock's content is its holder; the list of events only grows; leases pause for a
 * moment; what is remembered of file systems comes when the host has time. */
static void look_at_file(const char *path, const char *name)
{
    size_t n = strlen(name);
    bool lease = strstr(path, "/leases/") && *name != '.' && strpbrk(name, ".:");
    if ((n >= 4 && strcmp(name + n - 4, "lock") == 0) ||
        (n >= 3 && strcmp(name + n - 3, ".up") == 0) || strncmp(name, "events", 6) == 0 ||
        strstr(path, "/dns/bell/") || strstr(path, "/mappable/") || strcmp(name, "upstream") == 0)
        return;
    char *text = read_all(path);
    if (!text)
        return;
    uint64_t h = 0xcbf29ce484222325;
    each_line (line, text)
        if (!lease)
            h = hash(line, h);
        else if (!strstr(line, "resting-until="))
            say("lease %s", line);
    if (strncmp(name, "log", 3) == 0)
        h = 0;
    if (strcmp(name, "config.json") == 0) { /* its networks may have another order now */
        h = 0;
        for (const char *c = text; *c; c++)
            h += *c == '\n';
    }
    if (!lease)
        say("file %s %016llx", path, (unsigned long long)h);
    free(text);
}

/* The helpers start and exit independently, which tests/integration/helpers.sh checks. */
static bool is_of_helpers(const char *name)
{
    return strcmp(name, "helpers") == 0 || strcmp(name, "links") == 0;
}

/* What leads to leases that pause for a moment, and where the search for the next one starts. */
static bool is_about_leases(const char *path, const char *name)
{
    const char *in = strstr(path, "/leases/");
    return in && name[strlen(name) - 1] != '~' && !strstr(in, "/owner");
}

static void look_at_tree(const char *path, bool files)
{
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char *below;
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            is_of_helpers(entry->d_name))
            continue;
        if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
            die("memory");
        if (lstat(below, &st) == 0 && S_ISLNK(st.st_mode) &&
            is_about_leases(below, entry->d_name)) {
            ;
        } else if (S_ISDIR(st.st_mode) && strstr(below, "/resting/")) {
            ;
        } else if (S_ISDIR(st.st_mode)) {
            say("directory %s", below);
            look_at_tree(below, files);
        } else if (files && S_ISREG(st.st_mode)) {
            look_at_file(below, entry->d_name);
        } else if (files && S_ISLNK(st.st_mode)) {
            char target[256] = "";
            (void)!readlink(below, target, sizeof(target) - 1);
            say("link %s -> %s", below, target);
        } else if (files) {
            say("something %s", below);
        }
        free(below);
    }
    if (d)
        closedir(d);
}

/* The cgroups below netctr/INSTANCE in every hierarchy. An instance without containers has none, or an empty
 * one. */
static void look_at_cgroups(void)
{
    glob_t g = {0};
    (void)glob("/sys/fs/cgroup/netctr/*", 0, NULL, &g);
    (void)glob("/sys/fs/cgroup/*/netctr/*", GLOB_APPEND, NULL, &g);
    for (size_t i = 0; i < g.gl_pathc; i++)
        look_at_tree(g.gl_pathv[i], false);
    globfree(&g);
}

/* While scripts/mkrootfs fills a root directory, perhaps for another test file, file systems are mounted in it. */
static bool is_of_mkrootfs(const char *at)
{
    return strstr(at, "/build/tests/rootfs-") != NULL;
}

/* Not those elsewhere on the machine: their owners may rename the directories. */
static void look_at_mounts(const char *state, const char *run)
{
    const char *const places[] = {state, run, "/run", "/sys", "/proc", "/dev", "/etc", "/tmp"};
    char *text = read_all("/proc/self/mountinfo"), at[4096];
    each_line (line, text)
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
            if (sscanf(line, "%*s %*s %*s %*s %4095s", at) == 1 &&
                strncmp(at, places[i], strlen(places[i])) == 0 && !is_of_mkrootfs(at)) {
                say("mount %s", at);
                break;
            }
    free(text);
}

/* ---- processes, sockets, locks, settings -----------------------------------------------------*/

static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static bool is_helper_title(const char *title)
{
    return strncmp(title, "netctr helper", 13) == 0 || strncmp(title, "netctr names", 12) == 0;
}

/* From the moment when a process exits until it is reaped it has no title. Its parent's says what it was. */
static bool is_helper(const char *pid)
{
    char path[300], parent[16] = "";
    snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
    char *title = read_all(path);
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    char *stat = title && !*title ? read_all(path) : NULL, *rest = stat ? strrchr(stat, ')') : NULL;
    if (rest && sscanf(rest, ") %*c %15s", parent) == 1) {
        free(title);
        snprintf(path, sizeof(path), "/proc/%s/cmdline", parent);
        title = read_all(path);
    }
    bool is = title && is_helper_title(title);
    free(title);
    free(stat);
    return is;
}

/* Processes of netctr, with their number of open files, and those of other pid namespaces. */
static void look_at_processes(void)
{
    struct stat own, theirs;
    DIR *d = opendir("/proc");
    if (!d || stat("/proc/self/ns/pid", &own) < 0)
        die("/proc");
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[300], *comm;
        if (!isdigit((unsigned char)*entry->d_name))
            continue;
        snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        if (!(comm = read_all(path)))
            continue;
        comm[strcspn(comm, "\n")] = '\0';
        snprintf(path, sizeof(path), "/proc/%s/ns/pid", entry->d_name);
        bool away = stat(path, &theirs) == 0 && theirs.st_ino != own.st_ino;
        snprintf(path, sizeof(path), "/proc/%s/fd", entry->d_name);
        if (strncmp(comm, "netctr", 6) == 0 && is_helper(entry->d_name)) {
            free(comm);
            continue;
        }
        if (strncmp(comm, "netctr", 6) == 0)
            say("process %s with %zu files", comm, count_entries(path));
        else if (away)
            say("process %s of a container", comm);
        free(comm);
    }
    closedir(d);
}

static void look_at_sockets(void)
{
    static const char files[][16] = {"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp",
                                     "/proc/net/udp6"};
    for (size_t i = 0; i < 4; i++) {
        char local[64], state[8], *text = read_all(files[i]);
        each_line (line, text)
            if (sscanf(line, "%*s %63s %*s %7s", local, state) == 2 &&
                (strcmp(state, "0A") == 0 || (files[i][10] == 'u' && strcmp(state, "07") == 0)))
                say("listening %s %s", files[i] + 10, local);
        free(text);
    }
}

static void look_at_locks(void)
{
    char *text = read_all("/proc/locks");
    if (!text)
        return;
    each_line (line, text)
        if (strstr(line, "FLOCK"))
            say("lock%s", strstr(line, "->") ? " that is waited for" : "");
    free(text);
}

static void look_at_settings(const char *keys)
{
    char *list = strdup(keys), *rest = list;
    for (char *key; (key = strsep(&rest, " "));) {
        char path[256];
        snprintf(path, sizeof(path), "/proc/sys/net/%s", key);
        char *text = read_all(path);
        if (text)
            text[strcspn(text, "\n")] = '\0';
        say("sysctl %s = %s", key, text ? text : "-");
        free(text);
    }
    free(list);
}

static char *look_at_host(const char *state, const char *run)
{
    static const char settings[] =
        "ipv4/ip_forward ipv6/conf/all/forwarding "
        "ipv4/conf/nc-default/route_localnet ipv4/conf/all/route_localnet "
        "ipv6/conf/nc-default/accept_ra ipv6/conf/nc-default/autoconf "
        "ipv6/conf/nc-default/accept_dad ipv6/conf/nc-default/disable_ipv6";
    look_at_links();
    look_at_firewall();
    look_at_tree(state, true);
    look_at_tree(run, true);
    look_at_cgroups();
    look_at_mounts(state, run);
    look_at_processes();
    look_at_sockets();
    look_at_locks();
    look_at_settings(settings);
    return take_text();
}

static int wait_until(const char *state, const char *run, const char *file, long ms)
{
    char *wanted = read_all(file);
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (!wanted)
        die(file);
    for (const struct timespec pause = {.tv_nsec = 2000000};; nanosleep(&pause, NULL)) {
        char *is = look_at_host(state, run);
        bool same = strcmp(is, wanted) == 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        long past = (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
        if (!same && past > ms)
            fputs(is, stdout);
        free(is);
        if (same || past > ms) {
            free(wanted);
            return !same;
        }
    }
}

/* ---- a container -----------------------------------------------------------------------------*/

static char *read_of(const char *pid, const char *file)
{
    char path[512];
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
    char *text = read_all(path);
    return text ? text : strdup("");
}

static void say_lines(const char *what, char *text)
{
    each_line (line, text)
        say("%s %s", what, line);
    free(text);
}

static void look_at_status(const char *pid)
{
    static const char shown[] =
        " Umask Uid Gid Groups SigBlk SigIgn CapInh CapPrm CapEff CapBnd CapAmb "
        "NoNewPrivs Seccomp Seccomp_filters TracerPid Name ";
    char *text = read_of(pid, "status"), key[64];
    each_line (line, text) {
        snprintf(key, sizeof(key), " %.*s ", (int)strcspn(line, ":"), line);
        if (strstr(shown, key))
            say("status %s", line);
        /* the last number is that of the container's namespace: 1 is a session leader */
        if (strcmp(key, " NSsid ") == 0 || strcmp(key, " NSpgid ") == 0)
            say("status%s%s", key, strrchr(line, '\t'));
    }
    free(text);
}

/* Mount point, options, type and source; the other fields are numbers. */
static void look_at_its_mounts(const char *pid)
{
    char *text = read_of(pid, "mountinfo");
    each_line (line, text) {
        char at[1024], options[512], type[64], source[512];
        const char *dash = strstr(line, " - ");
        if (dash && sscanf(line, "%*s %*s %*s %*s %1023s %511s", at, options) == 2 &&
            sscanf(dash, " - %63s %511s", type, source) == 2)
            say("mount %s %s %s %s", at, options, type, source);
    }
    free(text);
}

static void look_at_limits(const char *pid)
{
    static const char *const files[] = {"memory.limit_in_bytes",
                                        "memory.memsw.limit_in_bytes",
                                        "cpu.cfs_quota_us",
                                        "pids.max",
                                        "memory.max",
                                        "memory.swap.max",
                                        "cpu.max",
                                        NULL};
    char *text = read_of(pid, "cgroup");
    each_line (line, text) {
        char *controllers = strchr(line, ':'),
             *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        bool deep = strstr(path, "/netctr/") != NULL;
        say("cgroup `%s` %s", controllers, deep ? "of the container" : "not of the container");
        for (size_t i = 0; deep && files[i]; i++) {
            char file[1024];
            snprintf(file, sizeof(file), "/sys/fs/cgroup/%s%s/%s", controllers, path, files[i]);
            char *value = read_all(file);
            if (value)
                say("limit %s %s", files[i], strtok(value, "\n"));
            free(value);
        }
    }
    free(text);
    say_lines("rlimit", read_of(pid, "limits"));
}

static void look_at_links_of(const char *pid, const char *directory, bool numbers)
{
    char path[512];
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, directory);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char target[512], own[512], ours[64];
        if (*entry->d_name == '.')
            continue;
        ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        snprintf(ours, sizeof(ours), "/proc/self/ns/%.32s", entry->d_name);
        n = readlink(ours, own, sizeof(own) - 1);
        own[n < 0 ? 0 : n] = '\0';
        if (numbers) {
            target[strcspn(target, "[0123456789")] = '\0';
            say("file %s is %s", entry->d_name, target);
        } else {
            say("namespace %s is %s", entry->d_name,
                strcmp(own, target) ? "its own" : "the host's");
        }
    }
    if (d)
        closedir(d);
}

static void look_at_devices(const char *pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/root/dev", pid);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        struct stat st;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            *entry->d_name != '.')
            say("device %s %o %lx", entry->d_name, st.st_mode, (unsigned long)st.st_rdev);
    }
    if (d)
        closedir(d);
}

static void look_at_its_network(const char *pid)
{
    static const char settings[] = "ipv6/conf/default/accept_ra ipv6/conf/default/accept_dad "
                                   "ipv6/conf/default/ndisc_notify ipv6/conf/default/disable_ipv6 "
                                   "ipv6/conf/eth0/accept_ra ipv6/conf/eth0/accept_dad "
                                   "ipv6/conf/eth0/disable_ipv6 ipv4/conf/default/arp_notify "
                                   "ipv4/ip_unprivileged_port_start ipv4/ping_group_range";
    char name[256] = "";
    int pidfd = pidfd_open(atoi(pid), 0);
    if (pidfd < 0 || setns(pidfd, CLONE_NEWNET | CLONE_NEWUTS) < 0)
        die("enter the container");
    close(pidfd);
    (void)gethostname(name, sizeof(name) - 1);
    say("hostname %s", name);
    look_at_links();
    look_at_settings(settings);
}

static char *look_at_container(const char *pid)
{
    look_at_status(pid);
    look_at_its_mounts(pid);
    look_at_limits(pid);
    look_at_links_of(pid, "fd", true);
    look_at_links_of(pid, "ns", false);
    look_at_devices(pid);
    say_lines("environment", read_of(pid, "environ")); /* to its first NUL */
    say_lines("hosts", read_of(pid, "root/etc/hosts"));
    say_lines("hostname", read_of(pid, "root/etc/hostname"));
    say_lines("resolv", read_of(pid, "root/etc/resolv.conf"));
    say_lines("oom", read_of(pid, "oom_score_adj"));
    look_at_its_network(pid); /* last: it does not come back */
    return take_text();
}

int main(int argc, char **argv)
{
    char *text;
    if (argc == 7 && strcmp(argv[1], "host") == 0 && strcmp(argv[4], "--until") == 0)
        return wait_until(argv[2], argv[3], argv[5], atol(argv[6]));
    if (argc == 4 && strcmp(argv[1], "host") == 0)
        text = look_at_host(argv[2], argv[3]);
    else if (argc == 3 && strcmp(argv[1], "container") == 0)
        text = look_at_container(argv[2]);
    else
        die("usage: look host STATE RUN [--until FILE MS] | container PID");
    fputs(text, stdout);
    free(text);
    return 0;
}
