/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heap sort. pure. See sort.h. */
#include "lib/sort.h"

#include <stdint.h>

struct heap {
    uint8_t *v;
    size_t size;
    int (*cmp)(const void *a, const void *b);
};

static uint8_t *at(const struct heap *h, size_t i)
{
    return h->v + i * h->size;
}

static void swap(const struct heap *h, size_t i, size_t k)
{
    uint8_t *a = at(h, i), *b = at(h, k), byte;
    size_t n;

    for (n = 0; n < h->size; n++) {
        byte = a[n];
        a[n] = b[n];
        b[n] = byte;
    }
}

/* Element i sinks until none below it, of n, is greater. */
static void sink(const struct heap *h, size_t i, size_t n)
{
    size_t child;

    while ((child = 2 * i + 1) < n) {
        if (child + 1 < n && h->cmp(at(h, child), at(h, child + 1)) < 0)
            child++;
        if (h->cmp(at(h, i), at(h, child)) >= 0)
            return;
        swap(h, i, child);
        i = child;
    }
}

void sort_array(void *v, size_t n, size_t size,
                int (*cmp)(const void *a, const void *b))
{
    struct heap h = {.v = v, .size = size, .cmp = cmp};
    size_t i;

    for (i = n / 2; i-- > 0;)
        sink(&h, i, n);
    for (i = n; i-- > 1;) {
        swap(&h, 0, i);
        sink(&h, 0, i);
    }
}
