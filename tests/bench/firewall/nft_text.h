/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same rules as a person would write them for nft(8): a verdict map by
 * source, one chain a qube, one rule a rule. effect (writes a file). */
#ifndef SQ_BENCH_NFT_TEXT_H
#define SQ_BENCH_NFT_TEXT_H

#include <stddef.h>

#include "tests/property/engine.h"

/** A whole table, replacing what was there. Ends the process if it cannot. */
void nft_text_table(const char *path, const struct engine_source *v, size_t n);
/** One source's chain flushed and filled. */
void nft_text_chain(const char *path, const struct engine_source *s);

#endif
