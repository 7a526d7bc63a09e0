/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Read back from nftables what counts: elements of a set, rules of a chain,
 * and the generation of the whole. effect (dumps over lib/nl.h). Fed by the
 * kernel (trusted, yet libnftnl checks lengths). */
#ifndef SQ_LIB_NFT_READ_H
#define SQ_LIB_NFT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/nl.h"

/** One element or rule as it is now. */
struct nft_seen {
    const uint8_t *key; /* of an element, NULL for a rule */
    size_t key_len;
    bool has_mark; /* an element whose data is a mark */
    uint32_t mark;
    const char *comment; /* of a rule; "" for none */
    uint64_t packets;    /* of its counter, 0 without one */
    uint64_t bytes;
    uint64_t used; /* of its quota */
};

/** @return 0 to go on; < 0 ends the run */
typedef int (*nft_seen_fn)(const struct nft_seen *seen, void *arg);

/** Every element of a set of a table of family inet.
 *  @return 0; -ENOENT; -ECANCELED by @p fn; -errno */
int nft_read_elems(struct nl *nl, const char *table, const char *set,
                   nft_seen_fn fn, void *arg);

/** Every rule of a chain, in order. @return as above */
int nft_read_rules(struct nl *nl, const char *table, const char *chain,
                   nft_seen_fn fn, void *arg);

/** The number of the ruleset's state: one more with each transaction of
 *  anyone. @return 0; -errno */
int nft_read_generation(struct nl *nl, uint32_t *ret);

#endif
