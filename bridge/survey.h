/* What the survey files share. Private to bridge/. */
#pragma once

#include "bridge.h"

struct survey {
    struct net *b;
    const struct network *n;
    const struct bridge_view *view;
    struct link bridge; /* index 0: there is none */
    json_t *addresses, *ports, *containers, *differences, *inside;
    bool has4, has6;
    /* Permanent neighbours of all families, sorted; read once, not for each endpoint. */
    struct neighbour *entries;
    size_t entry_count;
};

void survey_differs(struct survey *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The same, to be passed as a callback. */
void survey_found(const char *what, void *survey);

/* survey_ports.c */
/** The ports of the endpoints and the containers' ends. The bridge exists. */
int survey_endpoints(struct survey *s, struct err *e);

/* survey_firewall.c */
int survey_firewall(struct survey *s, struct err *e);
