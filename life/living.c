/* What a monitor holds, before it holds anything and when it lets go of it. */
#include "living.h"

struct living living_new(struct world *w, struct life *life)
{
    return (struct living){.world = w,
                           .life = life,
                           .container = CONTAINER_INIT,
                           .netns = -1,
                           .control = -1,
                           .flows = -1,
                           .seed = HELPERS_SEED_INIT,
                           .seed_timer = -1};
}

struct spec *living_spec(struct living *l)
{
    return l->container.spec.name ? &l->container.spec : &l->life->spec;
}

void living_clear(struct living *l)
{
    close_fd(l->netns);
    close_fd(l->control);
    close_fd(l->flows);
    close_fd(l->seed_timer);
    helpers_seed_clear(&l->seed);
    while (l->holdings)
        holding_close(l, l->holdings);
    publish_list_clear(&l->waiting);
    plugs_clear(l);
    hub_free(l->hub);
    free(l->resolv);
    container_clear(&l->container);
    publish_list_clear(&l->life->publishes);
}
