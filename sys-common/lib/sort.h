/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sort in place. pure. qsort() of the C library asks the system how much
 * memory there is, which a sandboxed process may not. */
#ifndef SQ_LIB_SORT_H
#define SQ_LIB_SORT_H

#include <stddef.h>

/** Ascending heap sort, not stable, n log n at worst, no memory of its own.
 *  @param v    @p n elements of @p size bytes
 *  @param cmp  as of qsort() */
void sort_array(void *v, size_t n, size_t size,
                int (*cmp)(const void *a, const void *b));

#endif
