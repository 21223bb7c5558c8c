/* Tries, inside a container, the ways to sockets that a seccomp filter might not see. Prints each that is
 * open; exit status 0: none is, and ordinary sockets work. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#define SOL_PACKET_ 263
enum { CALL_SOCKET = 1, CALL_SOCKETPAIR = 8, CALL_SETSOCKOPT = 14 };

static int failures;

static void expect(bool closed, const char *door, long result)
{
    if (closed)
        return;
    printf("open: %s (%ld)\n", door, result);
    failures++;
}

#if defined(__x86_64__)
/* The kernel's 32-bit entry, which every 64-bit program may use. */
static long call32(long number, long a, long b, long c, long d, long e)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

enum { NO_ENTRY = -10000 }; /* no error of a call */
/* A kernel without that entry (ia32_emulation=0, confidential machines) raises a fault: the door is closed. */
static void no_entry(int sig, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)sig;
    (void)info;
    registers[REG_RAX] = NO_ENTRY;
    registers[REG_RIP] += 2; /* the size of `int $0x80` */
}

static void through_32_bit(void)
{
    const struct sigaction skip = {.sa_sigaction = no_entry, .sa_flags = SA_SIGINFO};
    (void)sigaction(SIGSEGV, &skip, NULL);
    if (call32(20, 0, 0, 0, 0, 0) == NO_ENTRY) /* getpid() */
        return;
    static const int families[] = {AF_VSOCK, AF_ALG, AF_XDP};
    uint32_t *args =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long at = (long)args;
    if (args == MAP_FAILED)
        return;
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        memcpy(args, (uint32_t[]){(uint32_t)families[i], SOCK_STREAM, 0}, 12);
        long r = call32(102, CALL_SOCKET, at, 0, 0, 0);
        expect(r == -ENOSYS, "socket by socketcall", r);
        memcpy(args, (uint32_t[]){(uint32_t)families[i], SOCK_STREAM, 0, (uint32_t)at + 64}, 16);
        r = call32(102, CALL_SOCKETPAIR, at, 0, 0, 0);
        expect(r == -ENOSYS, "socketpair by socketcall", r);
        r = call32(359, families[i], SOCK_STREAM, 0, 0, 0);
        expect(r == -EPERM, "socket by the 32-bit call", r);
        r = call32(360, families[i], SOCK_STREAM, 0, at + 64, 0);
        expect(r == -EPERM, "socketpair by the 32-bit call", r);
    }
    memcpy(args, (uint32_t[]){3, SOL_PACKET_, 15, (uint32_t)at + 64, 4}, 20);
    long r = call32(102, CALL_SETSOCKOPT, at, 0, 0, 0);
    expect(r == -ENOSYS, "setsockopt by socketcall", r);
    r = call32(366, 3, SOL_PACKET_, 15, at + 64, 4);
    expect(r == -EPERM, "PACKET_VNET_HDR by the 32-bit call", r);
    r = call32(359, AF_INET, SOCK_STREAM, 0, 0, 0);
    expect(r >= 0, "nothing: the 32-bit socket call is closed for AF_INET", r);
}
#else
static void through_32_bit(void)
{
}
#endif

int main(void)
{
    int pair[2], on = 1;
    const int families[] = {AF_VSOCK, AF_ALG, AF_XDP};
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        expect(socket(families[i], SOCK_RAW, 0) < 0 && errno == EPERM, "socket", errno);
        expect(socketpair(families[i], SOCK_RAW, 0, pair) < 0 && errno == EPERM, "socketpair",
               errno);
    }
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    for (int option = 15; option <= 24; option += 9)
        expect(setsockopt(fd, SOL_PACKET_, option, &on, sizeof(on)) < 0 && errno == EPERM,
               "PACKET_VNET_HDR", errno);
    expect(fd >= 0 && socket(AF_INET, SOCK_STREAM, 0) >= 0 &&
               socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0,
           "nothing: ordinary sockets are closed", errno);
    through_32_bit();
    return failures != 0;
}
