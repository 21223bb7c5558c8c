/* A client that attaches to a running container. Its monitor sends the output; the exit status is that of the container, as
 * `wait` finds it, also if the monitor was killed.
 */
#include "control.h"

#include <errno.h>

int engine_attach(struct engine *engine, const struct record *r, struct attach_request request,
                  struct err *e)
{
    int status = 0;
    request.tty = r->spec.tty;
    request.input = request.input && r->spec.interactive;
    _cleanup_close_ int channel = control_attach(engine, r, e);
    int code = channel < 0 ? channel : console_attach(channel, &request, e);
    channel = close_fd(channel);
    if (code == 0)
        code = engine_wait(engine, r, &status, e);
    return code == 0 ? status : code;
}
