/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences of lists by their longest common part. pure. See fw_diff.h. */
#include "dom0/fw_diff.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/err.h"

struct diff {
    const struct fw_item *a, *b; /* what is compared */
    size_t n, m;
    size_t skip;      /* equal items in front, not among them */
    uint16_t *common; /* (n + 1) * (m + 1): longest common part from i, j */
};
static_assert(FW_ITEMS_MAX <= UINT16_MAX, "a length fits a cell");

static uint16_t *cell(const struct diff *d, size_t i, size_t j)
{
    return &d->common[i * (d->m + 1) + j];
}

static void fill(const struct diff *d)
{
    for (size_t i = d->n; i-- > 0;) {
        for (size_t j = d->m; j-- > 0;) {
            uint16_t down = *cell(d, i + 1, j), right = *cell(d, i, j + 1);

            if (fw_item_eq(&d->a[i], &d->b[j]))
                *cell(d, i, j) = (uint16_t)(*cell(d, i + 1, j + 1) + 1);
            else
                *cell(d, i, j) = down > right ? down : right;
        }
    }
}

static void walk(const struct diff *d, fw_diff_cb cb, void *arg)
{
    size_t i = 0, j = 0;

    while (i < d->n || j < d->m) {
        if (i < d->n && j < d->m && fw_item_eq(&d->a[i], &d->b[j])) {
            i++;
            j++;
        } else if (j == d->m ||
                   (i < d->n && *cell(d, i + 1, j) >= *cell(d, i, j + 1))) {
            cb(false, d->skip + i, &d->a[i], arg);
            i++;
        } else {
            cb(true, d->skip + j, &d->b[j], arg);
            j++;
        }
    }
}

int fw_diff(const struct fw_items *old, const struct fw_items *now,
            fw_diff_cb cb, void *arg)
{
    struct diff d = {.n = old->n, .m = now->n};

    while (d.n && d.m && fw_item_eq(&old->v[d.skip], &now->v[d.skip])) {
        d.skip++;
        d.n--;
        d.m--;
    }
    while (d.n && d.m &&
           fw_item_eq(&old->v[d.skip + d.n - 1], &now->v[d.skip + d.m - 1])) {
        d.n--;
        d.m--;
    }
    d.a = old->v + d.skip;
    d.b = now->v + d.skip;
    d.common = calloc((d.n + 1) * (d.m + 1), sizeof(*d.common));
    if (!d.common)
        return -ENOMEM;
    fill(&d);
    walk(&d, cb, arg);
    free(d.common);
    return 0;
}
