/* A request to a monitor: the input is the text of a packet of the right kind. */
#include "core/packet.h"
#include "fuzz.h"

#include "engine/control.c"

static int handler(void *arg, const char *what, char *const *words, json_t **answer, struct err *e)
{
    (void)arg;
    (void)e;
    must(what);
    size_t length = 0;
    strv_each (word, words)
        length += strlen(word);
    *answer = json_pack("{s:i}", "length", (int)length);
    return 0;
}

static int taker(void *arg, int client, struct err *e)
{
    (void)arg;
    (void)e;
    close_fd(client);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ends[2] = {-1, -1};
    struct packet p = {.kind = MESSAGE_REQUEST};
    size_t n = size < PACKET_TEXT ? size : PACKET_TEXT;
    if (ends[0] < 0)
        must(channel_open(ends, NULL) == 0);
    if (n)
        memcpy(p.text, data, n);
    p.text_length = (uint32_t)n;
    must(send(ends[0], &p, PACKET_HEADER + n, 0) == (ssize_t)(PACKET_HEADER + n));
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *answer = NULL;
    int r = handle(ends[1], handler, taker, NULL, &answer, &e);
    must((r == 0) == (answer != NULL) && (r < 0) == (e.code < 0));
    return 0;
}
