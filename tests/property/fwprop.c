/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall's property test: evaluator, compiled rules and flow cut say
 * the same of random lists and packets. glue. Runs in the network namespace
 * of the scene's router (tests/netns/35-firewall-property.py makes the
 * scene). Exit status: 0 no difference, 1 some, 2 the test itself failed. */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/property/world.h"

#define FAILURES_MAX 3
#define LIVE_HIGH 3000
#define PORTS_HIGH 65000
#define NEW_PACKETS 60
#define OLD_PACKETS 24
#define BIG_EVERY_DIRECT 400

struct options {
    uint64_t seed;
    unsigned seconds, steps; /* whichever comes first; 0: no bound */
    pid_t qubes, far;
    bool pipe;
    enum mutation mutation;
};

static unsigned pack(const struct world *w,
                     struct engine_source v[WORLD_QUBES * 2])
{
    unsigned i;

    for (i = 0; i < WORLD_QUBES * 2; i++)
        v[i] = (struct engine_source){w->addr[i / 2][i % 2],
                                      w->list[i / 2][i % 2]};
    return WORLD_QUBES * 2;
}

/* The qube of the sentinel is a source like any other to the engine. */
static const struct engine_source *sentinel(void)
{
    static const struct gen_list all = {.policy = FW_ACCEPT};
    static const struct engine_source s = {.addr = {AF_INET, {10, 137, 0, 99}},
                                           .list = &all};

    return &s;
}

/* ---- what may happen in one step ---- */
static int start(struct world *w)
{
    struct engine_source v[WORLD_QUBES * 2 + 1];
    unsigned n = pack(w, v);
    int r;

    v[n] = *sentinel();
    r = w->engine.verbs->start(&w->engine, v, n + 1, &w->dns);
    if (r < 0)
        return r;
    world_judge_live(w);
    return world_check_flows(w, "a start");
}

static int new_resolvers(struct world *w, bool pipe)
{
    struct engine_source v[WORLD_QUBES * 2];
    unsigned n = pack(w, v);
    int r;

    gen_dns(&w->rng, &w->dns);
    if (pipe && w->dns.n > 2)
        w->dns.n = 2; /* dom0 has keys for two */
    r = w->engine.verbs->set_dns(&w->engine, &w->dns, v, n);
    if (r < 0)
        return r;
    world_judge_live(w);
    return world_check_flows(w, "new resolvers");
}

static int remove_list(struct world *w, unsigned q, unsigned six)
{
    int r = 0;

    if (w->list[q][six])
        r = w->engine.verbs->remove(&w->engine, &w->addr[q][six]);
    if (r < 0)
        return r;
    free(w->list[q][six]);
    w->list[q][six] = NULL;
    world_judge_live(w);
    return world_check_flows(w, "a source's end");
}

/* The list to give the product: the true one, or one with a fault. */
static int apply(struct world *w, unsigned q, unsigned six)
{
    struct engine_source s = {w->addr[q][six], w->list[q][six]};
    CLEANUP_FREE struct gen_list *wrong = NULL;

    if (w->mutation == MUTATE_KERNEL && s.list->n > 0) {
        struct fw_match *m;
        wrong = malloc(sizeof(*wrong));
        if (!wrong)
            return -ENOMEM;
        *wrong = *s.list;
        m = &wrong->v[prng_below(&w->rng, (uint32_t)wrong->n)].m;
        m->action = m->action == FW_DROP ? FW_ACCEPT : FW_DROP;
        s.list = wrong;
    }
    return w->engine.verbs->apply(&w->engine, &s);
}

static int new_list(struct world *w, unsigned q, unsigned six, unsigned big)
{
    uint8_t family = six ? AF_INET6 : AF_INET;
    struct gen_list *l = w->list[q][six];
    int r;

    if (l && prng_chance(&w->rng, 50)) {
        gen_change(&w->rng, family, l);
    } else {
        if (!l)
            l = calloc(1, sizeof(*l));
        if (!l)
            return -ENOMEM;
        gen_list(&w->rng, family, big, l);
        w->list[q][six] = l;
    }
    w->lists++;
    w->rules += l->n;
    r = world_new_list(w, q, six);
    if (r == 0)
        r = apply(w, q, six);
    if (r < 0) {
        fprintf(stderr, "# seed %llu, step %u: a list of %zu is refused: %s\n",
                (unsigned long long)w->seed, w->steps, l->n, err_text(r));
        return r;
    }
    world_judge_live(w);
    return world_check_flows(w, "a new list");
}

static int clear_all(struct world *w)
{
    unsigned i;
    int r = 0;

    for (i = 0; i < WORLD_QUBES * 2 && r == 0; i++)
        r = remove_list(w, i / 2, i % 2);
    w->next_port = WORLD_FIRST_PORT;
    return r;
}

/* ---- packets of one step ---- */
static void aim_new(struct world *w, unsigned q, unsigned six)
{
    struct gen_packet k;

    gen_packet(&w->rng, w->list[q][six], &w->dns, &w->addr[q][six],
               w->next_port++, &k);
    if (prng_chance(&w->rng, 2)) /* whatever a list says */
        k.facts.dst = w->addr[(q + 1) % WORLD_QUBES][six];
    world_aim(w, q, &k);
}

static int shoot(struct world *w, unsigned q, unsigned six,
                 const struct gen_packet *old, unsigned n_old)
{
    unsigned i, other;

    for (i = 0; i < n_old; i++)
        world_aim(w, q, &old[i]);
    for (i = 0; i < NEW_PACKETS; i++)
        aim_new(w, q, six);
    for (i = 0; i < NEW_PACKETS / 6; i++) { /* and of who was not changed */
        other = prng_below(&w->rng, WORLD_QUBES * 2);
        aim_new(w, other / 2, other % 2);
    }
    return world_fire(w);
}

/* Packets of flows that live before the change. */
static unsigned pick_old(struct world *w, unsigned q, unsigned six,
                         struct gen_packet ret[OLD_PACKETS])
{
    size_t i, at = w->n_live ? prng_below(&w->rng, (uint32_t)w->n_live) : 0;
    unsigned n = 0;

    for (i = 0; i < w->n_live && n < OLD_PACKETS; i++) {
        const struct live *l = &w->live[(at + i) % w->n_live];
        if (l->q == q && (l->k.src.family == AF_INET6) == six)
            ret[n++] = l->k;
    }
    return n;
}

static int step(struct world *w, const struct options *o)
{
    unsigned q = prng_below(&w->rng, WORLD_QUBES);
    unsigned six = prng_below(&w->rng, 2);
    unsigned what = prng_below(&w->rng, 100);
    struct gen_packet old[OLD_PACKETS];
    unsigned n_old = pick_old(w, q, six, old);
    int r;

    if (w->n_live > LIVE_HIGH || w->next_port > PORTS_HIGH)
        r = clear_all(w);
    else if (what < 4)
        r = remove_list(w, q, six);
    else if (what < 7)
        r = new_resolvers(w, o->pipe);
    else if (what < 9)
        r = start(w);
    else
        r = new_list(w, q, six, o->pipe ? 0 : BIG_EVERY_DIRECT);
    w->steps++;
    return r < 0 ? r : shoot(w, q, six, old, n_old);
}

/* ---- glue ---- */
static bool goes_on(const struct world *w, const struct options *o,
                    uint64_t begin_ms)
{
    if (w->failures >= FAILURES_MAX)
        return false;
    if (o->steps > 0 && w->steps >= o->steps)
        return false;
    return o->seconds == 0 || io_now_ms() - begin_ms < o->seconds * 1000ull;
}

static int run(struct world *w, const struct options *o)
{
    uint64_t begin_ms = io_now_ms();
    int r = world_init(w, o->seed, o->qubes, o->far);

    if (r == 0)
        r = o->pipe ? engine_pipe(&w->engine)
                    : engine_direct(&w->engine, false);
    w->mutation = o->mutation;
    if (r == 0)
        r = start(w);
    while (r == 0 && goes_on(w, o, begin_ms))
        r = step(w, o);
    fprintf(stderr,
            "seed %llu: %u steps, %lu lists of %lu rules, %lu packets "
            "(%lu passed), %lu flows cut, %u differences\n",
            (unsigned long long)o->seed, w->steps, w->lists, w->rules,
            w->packets, w->passed, w->cut, w->failures);
    if (r < 0)
        fprintf(stderr, "# the test itself: %s\n", err_text(r));
    return r < 0 ? 2 : w->failures > 0;
}

static bool parse(int argc, char *argv[], struct options *o)
{
    static const struct option LONG[] = {
        {"seed", 1, NULL, 's'},   {"seconds", 1, NULL, 't'},
        {"steps", 1, NULL, 'n'},  {"qubes", 1, NULL, 'q'},
        {"far", 1, NULL, 'f'},    {"pipe", 0, NULL, 'p'},
        {"mutate", 1, NULL, 'm'}, {0},
    };
    static const char *const MUTATIONS[] = {"none", "verdict", "kernel", "cut"};
    unsigned i;
    int c;

    while ((c = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (c == 's')
            o->seed = strtoull(optarg, NULL, 10);
        else if (c == 't')
            o->seconds = (unsigned)atoi(optarg);
        else if (c == 'n')
            o->steps = (unsigned)atoi(optarg);
        else if (c == 'q')
            o->qubes = atoi(optarg);
        else if (c == 'f')
            o->far = atoi(optarg);
        else if (c == 'p')
            o->pipe = true;
        else if (c != 'm')
            return false;
        for (i = 0; c == 'm' && i < ARRAY_LEN(MUTATIONS); i++)
            if (strcmp(optarg, MUTATIONS[i]) == 0)
                o->mutation = (enum mutation)i;
    }
    return o->qubes > 0 && o->far > 0 && (o->seconds > 0 || o->steps > 0);
}

int main(int argc, char *argv[])
{
    struct world *w = calloc(1, sizeof(*w));
    struct options o = {0};
    cpu_set_t one;

    if (!w || !parse(argc, argv, &o)) {
        fprintf(stderr, "usage: fwprop --qubes PID --far PID --seed N "
                        "--seconds N [--steps N] [--pipe] "
                        "[--mutate verdict|kernel|cut]\n");
        return 2;
    }
    log_init("fwprop", LOG_LEVEL_ERR);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    return run(w, &o);
}
