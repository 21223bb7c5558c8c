/* update: other limits and another restart policy. If the container runs, its monitor changes the cgroup and then the
 * definition (change.c); if not, the definition is all there is. Whatever is killed on the way: the next start gives the
 * cgroup what the definition says.
 */
#include "control.h"
#include "internal.h"

int engine_update(struct engine *engine, const struct record *r, const struct update_request *q,
                  struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_strv_ strv words = update_words(q);
    int code = engine_change(engine, r->spec.name, "update", words, &answer, e);
    if (code == 0)
        engine_event(engine, r, "update", NULL);
    else
        err_wrap(e, "update container `%s`", r->spec.name);
    return code;
}
