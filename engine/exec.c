/* A command in a running container, with its events. */
#include "internal.h"

int engine_exec(struct engine *engine, const struct record *r, const struct exec_request *request,
                struct err *e)
{
    if (r->status != STATUS_RUNNING)
        return engine_not_running(r, e);
    int paused = engine_refuse_paused(engine, r, e);
    if (paused < 0)
        return paused;
    _cleanup_strv_ strv env = strv_copy(request->env);
    bool has_term = false;
    strv_each (entry, env)
        has_term = has_term || skip_prefix(entry, "TERM=");
    if (request->tty && !has_term) /* the container's describes another terminal */
        strv_add_take(&env, terminal_type(!request->detached));
    struct exec_request complete = *request;
    complete.env = env;
    const struct event_attribute what[] = {{"command", request->argv[0], 0}, {0}};
    engine_event(engine, r, "exec_start", what);
    int code = container_exec(&engine->store, r, &complete, e);
    /* No process waits for the end of a detached command. */
    if (code >= 0 && code != STATUS_DETACHED && !request->detached)
        engine_event(engine, r, "exec_die",
                     (const struct event_attribute[]){{"exit_code", NULL, code}, what[0], {0}});
    return code;
}
