/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes between two lists of rules and includes: the fewest lines that
 * go and come. pure. Fed by lists that were parsed. */
#ifndef SQ_DOM0_FW_DIFF_H
#define SQ_DOM0_FW_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "dom0/fw_items.h"

/** One line of the difference, in the order in which they are read.
 *  @param comes  it is new, at place @p at of the new list; else it goes,
 *                from place @p at of the old one
 *  @param item   borrowed */
typedef void (*fw_diff_cb)(bool comes, size_t at, const struct fw_item *item,
                           void *arg);

/** Lists of FW_ITEMS_MAX, all different, take 32 MiB for a moment.
 *  @return 0; -ENOMEM, and nothing was said */
int fw_diff(const struct fw_items *old, const struct fw_items *now,
            fw_diff_cb cb, void *arg);

#endif
