/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The product behind a few verbs, in two bodies: engine_direct.c drives
 * firewallvmd's monitor in this process (records, compiler, transaction,
 * flow cut), engine_pipe.c tells a test script, which feeds a whole
 * firewallvmd by its keys. effect. */
#ifndef SQ_TEST_ENGINE_H
#define SQ_TEST_ENGINE_H

#include <stdbool.h>

#include "tests/property/gen.h"

struct engine;

struct engine_source {
    struct ipaddr addr;
    const struct gen_list *list; /* NULL: the source has none */
};

struct engine_verbs {
    /** The whole state, anew. */
    int (*start)(struct engine *e, const struct engine_source *v, size_t n,
                 const struct fw_dns *dns);
    int (*apply)(struct engine *e, const struct engine_source *s);
    int (*remove)(struct engine *e, const struct ipaddr *addr);
    /** New resolvers; every list of @p v holds with them at once. */
    int (*set_dns)(struct engine *e, const struct fw_dns *dns,
                   const struct engine_source *v, size_t n);
};

/** Each returns 0 once it holds for packets and flows, or -errno. */
struct engine {
    const struct engine_verbs *verbs;
    void *state;
};

/** In this thread's network namespace.
 *  @param usual  the limits of a qube without a key; else such that no packet
 *                of a test is over them */
int engine_direct(struct engine *ret, bool usual);
/** Lines to standard output, answers from standard input (see
 *  tests/netns/35-firewall-property.py). */
int engine_pipe(struct engine *ret);

#endif
