/* lookup NAME… - all IPv4 addresses of each name as the C library finds them, a line for each name.
 * lookup -x ADDRESS… - their names. Exit status 1: one was not found.
 *
 * It is compiled with musl, and with -DARES for c-ares (tests/integration/names_resolvers.sh). */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

static socklen_t parse(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        return sizeof(*four);
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        return sizeof(*six);
    }
    return 0;
}

static void print_address(const void *address)
{
    char text[INET_ADDRSTRLEN];
    printf("%s ", inet_ntop(AF_INET, address, text, sizeof(text)));
}

#ifdef ARES
#include <ares.h>

static bool found;

static void have_host(void *arg, int status, int timeouts, struct hostent *host)
{
    (void)timeouts;
    found = status == ARES_SUCCESS;
    if (!found)
        fprintf(stderr, "%s: %s\n", (const char *)arg, ares_strerror(status));
    if (!found)
        return;
    struct sockaddr_storage address;
    if (parse(arg, &address))
        printf("%s", host->h_name);
    else
        for (char **a = host->h_addr_list; *a; a++)
            print_address(*a);
    printf("\n");
}

static bool look_up(char *text, bool reverse)
{
    ares_channel channel;
    struct sockaddr_storage address;
    if (ares_library_init(ARES_LIB_INIT_ALL) || ares_init(&channel))
        return false;
    if (!reverse)
        ares_gethostbyname(channel, text, AF_INET, have_host, text);
    else if (parse(text, &address) == sizeof(struct sockaddr_in))
        ares_gethostbyaddr(channel, &((struct sockaddr_in *)&address)->sin_addr, 4, AF_INET,
                           have_host, text);
    else
        ares_gethostbyaddr(channel, &((struct sockaddr_in6 *)&address)->sin6_addr, 16, AF_INET6,
                           have_host, text);
    for (;;) {
        fd_set reads, writes;
        struct timeval room;
        FD_ZERO(&reads);
        FD_ZERO(&writes);
        int count = ares_fds(channel, &reads, &writes);
        if (count == 0)
            break;
        select(count, &reads, &writes, NULL, ares_timeout(channel, NULL, &room));
        ares_process(channel, &reads, &writes);
    }
    ares_destroy(channel);
    return found;
}
#else
static bool look_up(char *text, bool reverse)
{
    struct sockaddr_storage address;
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    char name[NI_MAXHOST];
    int error;
    if (reverse) {
        socklen_t size = parse(text, &address);
        error = getnameinfo((struct sockaddr *)&address, size, name, sizeof(name), NULL, 0,
                            NI_NAMEREQD);
        if (!error)
            printf("%s\n", name);
    } else {
        error = getaddrinfo(text, NULL, &wanted, &list);
        if (!error) {
            for (struct addrinfo *a = list; a; a = a->ai_next)
                if (a->ai_family == AF_INET)
                    print_address(&((struct sockaddr_in *)a->ai_addr)->sin_addr);
            freeaddrinfo(list);
            printf("\n");
        }
    }
    if (error)
        fprintf(stderr, "%s: %s\n", text, gai_strerror(error));
    return !error;
}
#endif

int main(int argc, char **argv)
{
    bool reverse = argc > 1 && strcmp(argv[1], "-x") == 0, all = argc > 1;
    for (int i = 1 + reverse; i < argc; i++)
        all &= look_up(argv[i], reverse);
    return !all;
}
