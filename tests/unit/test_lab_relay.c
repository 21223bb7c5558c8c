/* The queue of a lab's relay, and what it draws for each frame. */
#include "check.h"

#include "lab/relay.h"

static struct frame *frame(uint64_t due, void *owner)
{
    struct frame *f = xcalloc(1, sizeof(*f));
    f->due = due;
    f->owner = owner;
    return f;
}

static void test_queue(void)
{
    enum { COUNT = 2000 };
    struct relay_queue q = {0};
    int one, two;
    uint64_t seed = 7, last = 0, order = 0;
    bool sorted = true, mine = true;
    size_t left = 0;
    check(!relay_queue_first(&q), "an empty queue", "");
    for (int i = 0; i < COUNT; i++)
        relay_queue_add(&q, frame(relay_random(&seed, 100), i % 2 ? &one : &two));
    relay_queue_forget(&q, &two);
    for (; relay_queue_first(&q); left++) {
        struct frame *f = relay_queue_take(&q);
        sorted = sorted && (f->due > last || (f->due == last && f->order >= order));
        mine = mine && f->owner == &one;
        last = f->due;
        order = f->order;
        free(f);
    }
    check(sorted, "frames leave when they are due, equal ones in their order", "");
    expect(left == COUNT / 2 && mine, "those of an owner are forgotten", "%zu are left", left);
    relay_queue_add(&q, frame(1, &one));
    relay_queue_forget(&q, NULL);
    check(!relay_queue_first(&q), "all are forgotten", "");
    free(q.heap);
}

struct count {
    unsigned lost, twice, corrupt, at_once, early, late;
    uint64_t least, most;
};

static struct count draw(const struct lab_impairment *m)
{
    struct count c = {.least = UINT64_MAX};
    uint64_t seed = 42;
    for (int i = 0; i < 10000; i++) {
        const struct relay_fate f = relay_draw(m, &seed);
        c.lost += f.copies == 0;
        c.twice += f.copies == 2;
        for (unsigned k = 0; k < f.copies; k++) {
            const uint64_t wait = f.of[k].wait_ns;
            c.corrupt += f.of[k].corrupt;
            c.at_once += wait == 0;
            c.early += wait < m->delay_us * UINT64_C(1000);
            c.late += wait > m->delay_us * UINT64_C(1000);
            c.least = wait < c.least ? wait : c.least;
            c.most = wait > c.most ? wait : c.most;
        }
    }
    return c;
}

static bool about(unsigned got, unsigned wanted)
{
    return got > wanted - wanted / 8 && got < wanted + wanted / 8;
}

static void test_draw(void)
{
    struct count c = draw(&(struct lab_impairment){.delay_us = 20000});
    check(!c.lost && !c.twice && !c.corrupt && c.least == 20000000 && c.most == 20000000,
          "a delay alone", "");
    c = draw(&(struct lab_impairment){.loss = 30});
    expect(about(c.lost, 3000), "loss", "%u", c.lost);
    c = draw(&(struct lab_impairment){.loss = 100});
    expect(c.lost == 10000, "all are lost", "%u", c.lost);
    c = draw(&(struct lab_impairment){.duplicate = 20, .corrupt = 10});
    expect(about(c.twice, 2000) && about(c.corrupt, 1200), "twice, and damaged", "%u, %u", c.twice,
           c.corrupt);
    c = draw(&(struct lab_impairment){.delay_us = 20000, .jitter_us = 20000});
    expect(c.least < 1000000 && c.most > 39000000 && c.most <= 40000000 && about(c.early, 5000) &&
               about(c.late, 5000),
           "jitter, to both sides", "%u, %u", c.early, c.late);
    c = draw(&(struct lab_impairment){.delay_us = 20000, .reorder = 25});
    expect(about(c.at_once, 2500), "reorder", "%u", c.at_once);
}

int main(void)
{
    test_queue();
    test_draw();
    return failures > 0;
}
