/* The system calls of a container: docker's default profile as a seccomp filter (classic BPF).
 *
 * The filter of the default capabilities is compiled with netctr (seccomp_gen.c) and only has to be loaded; one
 * for other capabilities is compiled when it is needed. A privileged container has no filter; that is the caller's
 * decision. Private to core/.
 */
#pragma once

#include <netctr/base.h>

#include <linux/filter.h>

struct seccomp_filter {
    const struct sock_filter *insns;
    size_t len;                /**< instructions */
    struct sock_filter *owned; /**< what to free; NULL when @insns is static */
};

/** The filter for CAPS_DEFAULT. Generated (build/seccomp_blob.c); the generator itself has none. */
extern const struct sock_filter seccomp_default[];
extern const size_t seccomp_default_len;

/** Those capabilities that change the filter (CAP_SYS_ADMIN allows mount, …), as a mask. */
uint64_t seccomp_relevant_caps(void);

/** The filter for a container with the capabilities @caps (bounding set): a static one for the default
 *  set (as far as it matters), else compiled now (0.1 to 0.3 ms). The caller clears *@out. */
int seccomp_filter_for(uint64_t caps, struct seccomp_filter *out, struct err *e);

/** Always compiles. @arch is a SCMP_ARCH_… of libseccomp (x86-64 and arm64, each with its 32-bit
 *  architectures); 0: the one we run on. *@out owns its instructions.
 *  -EOPNOTSUPP: another architecture, or a libseccomp too old to know a system call (2.5.4 is
 *  needed). */
int seccomp_compile(uint32_t arch, uint64_t caps, struct seccomp_filter *out, struct err *e);

/** Loads the filter into the calling thread (seccomp(2), Linux 3.17). The kernel wants
 *  CAP_SYS_ADMIN in the thread's user namespace or no_new_privs: without no_new_privs call it before
 *  the capabilities are dropped, with no_new_privs as the last step before execve. Both ways the
 *  filter allows what is left to do (the default profile allows setresuid, capset, prctl, execve). */
int seccomp_install(const struct seccomp_filter *filter, struct err *e);

/** Frees what @filter owns and makes it empty. */
void seccomp_filter_clear(struct seccomp_filter *filter);
#define _cleanup_seccomp_ __attribute__((cleanup(seccomp_filter_clear)))
