/* The clients of `attach`, as the monitor sees them. Private to core/. */
#pragma once

#include "audience.h"
#include "client.h"

struct viewer;
struct viewers {
    struct audience audience;
    struct viewer *list[AUDIENCE_MAX];
    struct loop *loop;
    const int *input; /**< the program's stdin, or -1 there; NULL: none */
    void (*said)(void *arg, const struct client_word *word); /**< a signal or a size */
    void (*joined)(void *arg, int channel);                  /**< there is a new one */
    void *arg;
};

struct viewers *viewers_new(struct loop *loop);
void viewers_free(struct viewers *v);
/** Takes @channel over. */
int viewers_add(struct viewers *v, int channel, struct err *e);
/** A program runs, with *@input as its stdin, which may become -1 later; NULL: it has none, or no program runs. */
void viewers_begin(struct viewers *v, const int *input);
/** Before each turn of the loop: watches what they type. */
int viewers_watch(struct viewers *v);
