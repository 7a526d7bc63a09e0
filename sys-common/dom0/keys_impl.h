/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between keys.c and keys_firewall.c only. pure. */
#ifndef SQ_DOM0_KEYS_IMPL_H
#define SQ_DOM0_KEYS_IMPL_H

#include "dom0/keys.h"

/* A set under construction: the first error sticks. */
struct keys_build {
    struct keyset *set;
    int err;
};

void keys_put(struct keys_build *b, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** What a provider lets through beside the rule lists: port forwards and
 *  qube to qube. */
void keys_put_paths(struct keys_build *b, const struct keys_world *w,
                    const struct config_qube *q);

/** The rules of client @p c of a firewall, for its addresses and for all that
 *  live behind it (it may be a provider itself). */
void keys_put_client_rules(struct keys_build *b, const struct keys_world *w,
                           const struct config_qube *c);

#endif
