/* Changes to a container: its network, its limits. If it runs, its monitor makes them. If not, they are made in its
 * definition, for the next start. The definition is replaced in one step under the store's lock. A start claims it, and a
 * monitor that waits reads it again, under the same lock.
 */
#include "control.h"
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- containers without a network of their own -----------------------------------------------*/

static int refuse(const struct spec *s, const char *whose, const char *what, const char *word,
                  struct err *e)
{
    if (streq(what, "connect"))
        return err_say(e, -EINVAL,
                       "container `%s` uses %s: only a container with a network of its own can be "
                       "connected to one",
                       s->name, whose);
    if (streq(what, "disconnect"))
        return err_say(e, -ENOENT, "container `%s` uses %s: it is not on network `%s`", s->name,
                       whose, connect_request_network(word));
    if (streq(what, "publish"))
        return err_say(e, -EINVAL, "container `%s` uses %s: it cannot publish ports of its own",
                       s->name, whose);
    return err_say(e, -ENOENT, "container `%s` uses %s: it publishes no ports", s->name, whose);
}

/* Checked here so that the error is the same whether the container runs or not. */
static int require_own_network(const struct spec *s, const char *what, const char *word,
                               struct err *e)
{
    const char *rest;
    enum network_word kind = network_word(s->network, &rest);
    if (s->networks || kind == NETWORK_NAME || kind == NETWORK_WORD_NONE)
        return 0;
    if (kind == NETWORK_WORD_HOST)
        return refuse(s, "the host's network", what, word, e);
    _cleanup_free_ char *whose =
        xasprintf(kind == NETWORK_WORD_NS        ? "the network namespace `%s`"
                  : kind == NETWORK_WORD_SANDBOX ? "the sandbox `%s`"
                                                 : "the network of container `%s`",
                  rest);
    int r = refuse(s, whose, what, word, e);
    if (kind != NETWORK_WORD_CONTAINER || streq(what, "disconnect") || streq(what, "unpublish"))
        return r;
    if (streq(what, "connect"))
        err_hint(e, "`netctr network connect %s %s`", word, rest);
    else
        err_hint(e, "`netctr publish %s %s`", rest, word);
    return r;
}

/* ---- the definition --------------------------------------------------------------------------*/

static int add_network(struct engine *engine, struct spec *s, const char *text, struct err *e)
{
    _cleanup_connect_request_ struct connect_request wanted = {0};
    int r = connect_request_parse(text, &wanted, e);
    if (r == 0)
        r = sandbox_examine(engine_sandboxes(engine), s->id, s->name, s->networks, &wanted, e);
    if (r == 0)
        strv_add_take(&s->networks, connect_request_text(&wanted));
    return r;
}

static int remove_network(struct spec *s, const char *name, struct err *e)
{
    strv kept = NULL;
    bool found = false;
    name = connect_request_network(name);
    strv_each (text, s->networks) {
        _cleanup_free_ char *word = xstrndup(text, strcspn(text, ":"));
        if (streq(connect_request_network(word), name))
            found = true;
        else
            strv_add(&kept, text);
    }
    strv_free(s->networks);
    s->networks = kept;
    return found ? 0 : err_say(e, -ENOENT, "container `%s` is not on network `%s`", s->name, name);
}

bool engine_is_only_defined(const struct record *r)
{
    return r->status == STATUS_EXITED || record_waits(r);
}

static bool is_of_networks(const char *what)
{
    return streq(what, "connect") || streq(what, "disconnect");
}

static int redefine_networks(struct engine *engine, struct spec *s, const char *what,
                             const char *word, struct err *e)
{
    int code =
        streq(what, "connect") ? add_network(engine, s, word, e) : remove_network(s, word, e);
    if (code < 0)
        return code;
    /* The next start decides which of its ports can be published. */
    strv_free(take_ptr(s->published));
    strv_free(take_ptr(s->unpublished));
    free(s->network);
    s->network = connect_request_names(s->networks);
    return 0;
}

/* -ESTALE: it has been started since @r was read. */
static int redefine(struct engine *engine, const struct record *r, const char *what,
                    char *const *words, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    struct spec *s = &now.spec;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    _cleanup_free_ char *name = store_name_now(&engine->store, &r->spec);
    int code = lock < 0 ? lock : store_find_named(&engine->store, name, &now, e);
    if (code == 0 && (!engine_is_only_defined(&now) || !streq(s->id, r->spec.id)))
        code = err_say(e, -ESTALE, "container `%s` is being started", r->spec.name);
    if (code == 0)
        code = is_of_networks(what) ? redefine_networks(engine, s, what, words[0], e)
                                    : update_apply(s, words, &s->limits, &s->restart, e);
    if (code == 0)
        code = container_redefine(&engine->store, s, e);
    /* Others may share its sandbox. */
    if (code == 0 && streq(what, "disconnect"))
        code =
            sandboxes_detach(engine_sandboxes(engine), s->id, connect_request_network(words[0]), e);
    return code;
}

/* ---- running or not --------------------------------------------------------------------------*/

static int change(struct engine *engine, const char *name, const char *what, char *const *words,
                  json_t **answer, struct err *e)
{
    _cleanup_record_ struct record found = {0}, now = {0};
    bool update = streq(what, "update"), defines = update || is_of_networks(what);
    int code = engine_find(engine, name, &found, e);
    if (code == 0 && !update)
        code = require_own_network(&found.spec, what, words[0], e);
    if (code < 0)
        return code;
    const struct record *r = &now;
    if (found.status == STATUS_CREATING)
        code = engine_settle(engine, &found, false, &now, e);
    else if (found.status == STATUS_DEAD && defines)
        code = engine_clear_dead(engine, &found, &now, e);
    else
        r = &found;
    if (code == 0)
        code = defines && engine_is_only_defined(r)
                   ? redefine(engine, r, what, words, e)
                   : control_ask(engine, r, what, words, answer, e);
    return code;
}

int engine_change(struct engine *engine, const char *name, const char *what, char *const *words,
                  json_t **answer, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    bool defines = streq(what, "update") || is_of_networks(what);
    int code = change(engine, name, what, words, answer, e);
    /* It is just starting or ending: a moment later, the other way to change it works. */
    for (int tries = 0; defines && (code == -ESRCH || code == -ESTALE) && tries < 500; tries++) {
        err_clear(e);
        nanosleep(&pause, NULL);
        code = change(engine, name, what, words, answer, e);
    }
    return code;
}
