/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the property test believes: lists, resolvers, live flows; and the two
 * ways it is held against the kernel: by packets that arrive or do not, and
 * by the table of tracked flows. effect. Verdicts come from rules/rule_eval
 * and nowhere else. */
#ifndef SQ_TEST_WORLD_H
#define SQ_TEST_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/property/engine.h"
#include "tests/property/wire.h"
#include "lib/nl.h"

#define WORLD_QUBES 3
#define WORLD_LIVE_MAX 8192
#define WORLD_SHOTS_MAX 256
#define WORLD_FIRST_PORT 1024

/** A deliberate fault, to prove that the test can fail. */
enum mutation {
    MUTATE_NONE,
    MUTATE_VERDICT, /* the evaluator's answer, now and then */
    MUTATE_KERNEL,  /* a rule of the list that the product is given */
    MUTATE_CUT,     /* a flow believed to be cut that is not */
};

struct live {
    struct gen_packet k;
    unsigned q;
};

struct shot {
    struct gen_packet k;
    unsigned q;
    bool want, got;
};

struct world {
    struct prng rng;
    uint64_t seed;
    enum mutation mutation;
    struct engine engine;
    struct wire *wire;
    struct nl *nl;
    struct fw_dns dns;
    struct ipaddr addr[WORLD_QUBES][2];     /* IPv4, IPv6 */
    struct gen_list *list[WORLD_QUBES][2];  /* NULL: none; owned */
    struct fw_match *match[WORLD_QUBES][2]; /* its rules, for rule_eval() */
    size_t n_live;
    struct live live[WORLD_LIVE_MAX];
    int by_port[65536]; /* live flow of a source port, or -1 */
    uint16_t next_port;
    uint16_t base; /* number of the first shot */
    unsigned n_shots;
    struct shot shots[WORLD_SHOTS_MAX];
    bool sentinel;
    unsigned leaked;
    /* figures */
    unsigned steps, failures;
    unsigned long lists, rules, packets, passed, cut;
};

/** @return 0; -errno. The engine is not started. */
int world_init(struct world *w, uint64_t seed, pid_t qubes, pid_t far);

/** To be called when a list is another one. @return 0; -ENOMEM */
int world_new_list(struct world *w, unsigned q, unsigned six);

/** Does the packet pass, as lists and resolvers stand? */
bool world_passes(struct world *w, unsigned q, const struct gen_packet *k);

/** Forget live flows that lists and resolvers no longer allow. */
void world_judge_live(struct world *w);
/** The kernel's flows must be the live ones, each. @return 0; -errno */
int world_check_flows(struct world *w, const char *after);

/** Add a packet to the salvo. */
void world_aim(struct world *w, unsigned q, const struct gen_packet *k);
/** Send the salvo, wait until all is through, compare with what should
 *  arrive, and enter new flows. @return 0; -errno */
int world_fire(struct world *w);

/** Tell of a difference, with all that is needed to see it again. */
void world_differ(struct world *w, unsigned q, const struct gen_packet *k,
                  const char *what);

#endif
