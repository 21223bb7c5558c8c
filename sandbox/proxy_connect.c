/* A socket towards the container, for TCP and UDP alike. */
#include "proxy_internal.h"

#include <errno.h>
#include <sys/socket.h>

int proxy_connect(const struct ip *to, uint16_t port, int type)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = to->v4};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    a6.sin6_addr = to->v6;
    bool v4 = to->family == AF_INET;
    _cleanup_close_ int fd = socket(to->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
                v4 ? sizeof(a4) : sizeof(a6)) < 0 &&
        errno != EINPROGRESS)
        return -errno;
    return take_fd(fd);
}
