/* The log of a container in its monitor: it is opened for each run, and gets lines of netctr's own. */
#include "log.h"
#include "process.h"

#include <errno.h>

struct rotation process_rotation(const struct process *c)
{
    struct stat st;
    return (struct rotation){.dir = c->log_fd >= 0 ? c->plan.log_dir : -1,
                             .max_size = c->plan.log.max_size,
                             .max_file = c->plan.log.max_file,
                             .size = fstat(c->log_fd, &st) == 0 ? st.st_size : 0};
}

/* Opens the log; if it is not a regular file, nothing is logged. A restart that cannot open it
 * keeps the log of the previous run. */
int supervise_open_log(struct process *c, struct err *e)
{
    if (c->plan.log.driver == LOG_NONE)
        return 0;
    int log = log_open(c->plan.log_dir);
    if (log < 0 && log != -EBADMSG)
        return c->log_fd >= 0 ? 0 : err_set(e, log, "open the container's log");
    close_fd(c->log_fd);
    c->log_fd = log < 0 ? -1 : log;
    if (log >= 0)
        log_mend(log);
    if (c->plan.log_before)
        log_tidy(c->plan.log_dir, c->plan.log.max_file);
    return 0;
}

/* While there is a relay, only the relay rotates the log, and the monitor reopens the current file.
 */
static void note(struct process *c, const char *text)
{
    if (c->log_fd < 0)
        return;
    log_reopen(c->log_fd, c->plan.log_dir);
    struct rotation rotation = process_rotation(c);
    log_note(c->log_fd, c->relayed ? NULL : &rotation, text);
}

void process_note(struct process *c, const char *text)
{
    _cleanup_free_ char *line = xasprintf("netctr: %s", text);
    if (c->log_fd < 0) /* the program has not started yet */
        (void)supervise_open_log(c, NULL);
    note(c, line);
}
