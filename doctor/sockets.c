/* Sockets as /proc shows them. Programs choose their own names, so these are made printable. */
#include "doctor/sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

enum { TCP_LISTENING = 0x0a, UDP_UNCONNECTED = 0x07, IP_DIGITS = 8 };

void sockets_clear(struct sockets *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].program);
    free(s->items);
    *s = (struct sockets){0};
}

/* ---- read ------------------------------------------------------------------------------------*/

/* An address is a list of 32-bit words, each in the byte order of this processor. */
static bool parse_address(const char *hex, int family, struct ip *out)
{
    *out = (struct ip){.family = family};
    size_t words = ip_size(out) / 4;
    if (strlen(hex) != words * IP_DIGITS)
        return false;
    for (size_t i = 0; i < words; i++) {
        uint32_t word;
        if (sscanf(hex + i * IP_DIGITS, "%8" SCNx32, &word) != 1)
            return false;
        memcpy(out->bytes + i * 4, &word, 4);
    }
    return true;
}

/* "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 …" */
bool socket_parse(const char *line, int family, uint8_t protocol, struct socket *out)
{
    char address[33];
    unsigned port, state;
    *out = (struct socket){.protocol = protocol};
    if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %*s %2x %*s %*s %*s %*u %*u %" SCNu64, address,
               &port, &state, &out->inode) != 4 ||
        state != (protocol == IPPROTO_TCP ? TCP_LISTENING : UDP_UNCONNECTED) || port > UINT16_MAX)
        return false;
    out->port = (uint16_t)port;
    return port != 0 && parse_address(address, family, &out->address);
}

int process_open(pid_t pid, uint64_t start)
{
    _cleanup_close_ int pidfd = pidfd_of(pid, start);
    _cleanup_free_ char *path = xasprintf("/proc/%d", pid);
    _cleanup_close_ int dir = pidfd < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = pidfd < 0 ? pidfd : dir < 0 ? -errno : pidfd_signal(pidfd, 0);
    return r < 0 ? r : take_fd(dir);
}

static int read_one(int process, const char *path, int family, uint8_t protocol,
                    struct sockets *out)
{
    char line[512];
    int fd = openat(process, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno; /* the kernel has no IPv6 */
    _cleanup_file_ FILE *file = fdopen(fd, "r");
    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    bool head = true;
    while (fgets(line, sizeof(line), file)) {
        struct socket s;
        bool waits = socket_parse(line, family, protocol, &s);
        if (waits) {
            out->items = xrealloc(out->items, out->count + 1, sizeof(*out->items));
            out->items[out->count++] = s;
        } else if (protocol == IPPROTO_TCP && !head) {
            break; /* connections follow after all listening sockets, and there may be very many */
        }
        head = false;
    }
    return ferror(file) ? -EIO : 0;
}

int sockets_read(int process, struct sockets *out)
{
    static const struct {
        const char *path;
        int family;
        uint8_t protocol;
    } files[] = {{"net/tcp", AF_INET, IPPROTO_TCP},
                 {"net/tcp6", AF_INET6, IPPROTO_TCP},
                 {"net/udp", AF_INET, IPPROTO_UDP},
                 {"net/udp6", AF_INET6, IPPROTO_UDP}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++)
        r = read_one(process, files[i].path, files[i].family, files[i].protocol, out);
    return r;
}

/* A socket on :: accepts IPv4 too, unless it has IPV6_V6ONLY. /proc does not show that option, so it is assumed to be
 * off. */
bool socket_accepts(const struct socket *s, const struct ip *to)
{
    static const uint8_t any[4];
    if (ip_equal(&s->address, to))
        return true;
    if (s->address.family == AF_INET)
        return to->family == AF_INET && ip_is_any(&s->address);
    if (ip_is_any(&s->address))
        return true;
    const uint8_t *mapped = s->address.bytes + 12;
    return IN6_IS_ADDR_V4MAPPED(&s->address.v6) && to->family == AF_INET &&
           (memcmp(mapped, to->bytes, 4) == 0 || memcmp(mapped, any, 4) == 0);
}

/* ---- programs --------------------------------------------------------------------------------*/

static char *program_of(int process)
{
    char *name = NULL;
    if (read_file_at(process, "comm", 64, &name, NULL) < 0)
        return NULL;
    name[strcspn(name, "\n")] = '\0';
    for (char *p = name; *p; p++)
        if (*p < ' ' || *p > '~' || *p == '`')
            *p = '?';
    return name;
}

static bool same_netns(int a, int b)
{
    struct stat x, y;
    return fstatat(a, "ns/net", &x, 0) == 0 && fstatat(b, "ns/net", &y, 0) == 0 &&
           x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void name_by(struct sockets *s, int process)
{
    int r = 0;
    _cleanup_dir_ DIR *d = open_listing(process, "fd");
    _cleanup_free_ char *program = d ? program_of(process) : NULL;
    for (struct dirent *entry; d && (entry = next_entry(d, &r));) {
        char target[64] = "";
        uint64_t inode;
        ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
        if (n < 0 || sscanf(target, "socket:[%" SCNu64 "]", &inode) != 1)
            continue;
        for (size_t i = 0; i < s->count; i++)
            if (s->items[i].inode == inode && !s->items[i].program)
                s->items[i].program = xstrdup(program);
    }
}

void sockets_name(struct sockets *s, int process, int64_t until)
{
    int r = 0;
    _cleanup_dir_ DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && s->count && (entry = next_entry(proc, &r));) {
        uint64_t pid;
        if (monotonic_ms() > until)
            return;
        if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
            continue;
        _cleanup_close_ int other =
            openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (other >= 0 && same_netns(other, process))
            name_by(s, other);
    }
}
