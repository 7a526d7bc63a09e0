/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which counter keys have to be written: the texts of a source, and what was
 * written before. pure. Fed by counters from the monitor. Keys:
 * docs/architecture.md. */
#ifndef SQ_FIREWALLVM_COUNT_KEYS_H
#define SQ_FIREWALLVM_COUNT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ipaddr.h"
#include "rules/fw_count.h"

#define COUNT_CHUNKS_MAX 32 /* keys .../00 to .../31 of one source */

/** Text 0 is that of the totals, text 1 that of key .../00, and so on. */
struct count_texts {
    size_t n; /* texts, 1 to COUNT_CHUNKS_MAX + 1 */
    char text[COUNT_CHUNKS_MAX + 1][FW_COUNTS_TEXT_MAX];
};

/** @param v  @p n counters; those that no key is left for are left out */
void count_texts_make(const struct fw_totals *t, const struct fw_count *v,
                      size_t n, struct count_texts *ret);

struct count_keys;

/** @return 0; -ENOMEM */
int count_keys_new(struct count_keys **ret);
void count_keys_free(struct count_keys *k);

/** Do the keys of this source still hold exactly these texts?
 *  @param i  of the text. */
bool count_keys_is(const struct count_keys *k, const struct ipaddr *source,
                   size_t i, const char *text);
/** Text @p i was written. @return 0; -ENOMEM */
int count_keys_wrote(struct count_keys *k, const struct ipaddr *source,
                     size_t i, const char *text);
/** Texts that were written, and not cut off since. */
size_t count_keys_n(const struct count_keys *k, const struct ipaddr *source);
/** Only the first @p n texts are left; 0 forgets the source. */
void count_keys_cut(struct count_keys *k, const struct ipaddr *source,
                    size_t n);

#endif
