/* Creates and maps the memory that the servers share. Its size is sealed, so no process can
 * truncate it under a running server. Unused parts take no memory. */
#include "names/shared.h"

#include <errno.h>
#include <sys/mman.h>

#define MAGIC (0x6e616d6573000100 ^ sizeof(struct names_shared))
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int names_shared_new(struct err *e)
{
    const uint64_t magic = MAGIC;
    _cleanup_close_ int fd = memfd_create("netctr-names", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, sizeof(struct names_shared)) < 0 ||
        fcntl(fd, F_ADD_SEALS, SEALS) < 0 || pwrite(fd, &magic, sizeof(magic), 0) < 0)
        return err_set(e, errno, "create the memory of the name servers");
    return take_fd(fd);
}

struct names_shared *names_shared_map(int fd, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size != sizeof(struct names_shared) ||
        fcntl(fd, F_GET_SEALS) != SEALS) {
        err_say(e, -EBADMSG, "this fd is not the memory of the name servers");
        return NULL;
    }
    void *p = mmap(NULL, sizeof(struct names_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        err_set(e, errno, "map the memory of the name servers");
        return NULL;
    }
    struct names_shared *s = p;
    if (s->magic == MAGIC)
        return s;
    names_shared_unmap(s);
    err_say(e, -EBADMSG, "another version of netctr has created the memory of the name servers");
    return NULL;
}

void names_shared_unmap(struct names_shared *s)
{
    if (s)
        (void)munmap(s, sizeof(*s));
}

uint64_t names_shared_progress(const struct names_shared *s, unsigned server)
{
    return atomic_load(&s->servers[server].progress);
}

bool slot_holds(const struct shared_server *s, unsigned slot, uint64_t word)
{
    enum slot_state state = STATE_OF(word);
    if (state != SLOT_RECEIVING)
        return state != SLOT_FREE;
    uint32_t header = s->slots[slot].header;
    return header<BATCH &&*(volatile const unsigned *)&s->headers[header].msg_len> 0;
}

bool names_shared_busy(const struct names_shared *s, unsigned server)
{
    const struct shared_server *own = &s->servers[server];
    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&own->states[i], memory_order_acquire);
        if (STATE_OF(word) != SLOT_FREE && slot_holds(own, i, word))
            return true;
    }
    return atomic_load(&own->connections) > 0;
}

void slot_settle(const struct shared_server *s, struct slot *slot)
{
    const struct mmsghdr *h = &s->headers[slot->header % BATCH];
    bool longer = h->msg_hdr.msg_flags & MSG_TRUNC;
    slot->size = longer || h->msg_len > DNS_QUESTION ? DNS_QUESTION + 1 : h->msg_len;
    slot->control_size = h->msg_hdr.msg_controllen < sizeof(slot->control)
                             ? (uint32_t)h->msg_hdr.msg_controllen
                             : sizeof(slot->control);
}

bool slot_change(struct shared_server *s, unsigned slot, uint64_t from, enum slot_state to)
{
    return atomic_compare_exchange_strong(&s->states[slot], &from, STATE_WORD(from, to));
}
