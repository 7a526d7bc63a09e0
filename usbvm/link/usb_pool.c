/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payload memory. pure but for malloc. See usb_pool.h. */
#include "usbvm/link/usb_pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "lib/err.h"

#define CLASS_MIN 9 /* 512 bytes with the head: a command, a HID report */
#define CLASS_MAX 24
#define HEAD_BYTES 64 /* keeps the payload aligned */

struct block {
    SLIST_ENTRY(block) next;
    unsigned class;
    bool backed; /* not of malloc */
};
_Static_assert(sizeof(struct block) <= HEAD_BYTES, "head");

struct class
{
    SLIST_HEAD(, block) kept;
    unsigned n;   /* kept now */
    unsigned low; /* fewest kept since the last trim: these were idle */
};

struct usb_pool {
    size_t bytes, max_bytes;
    const struct usb_pool_backing *backing; /* NULL: none */
    struct class classes[CLASS_MAX + 1];
};

int usb_pool_new(size_t max_bytes, struct usb_pool **ret)
{
    struct usb_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return -ENOMEM;
    pool->max_bytes = max_bytes;
    *ret = pool;
    return 0;
}

static struct block *take(struct class *c)
{
    struct block *b = SLIST_FIRST(&c->kept);

    if (b) {
        SLIST_REMOVE_HEAD(&c->kept, next);
        c->n--;
        if (c->n < c->low)
            c->low = c->n;
    }
    return b;
}

static void drop(struct usb_pool *pool, unsigned class, unsigned n)
{
    for (; n > 0; n--) {
        struct block *b = take(&pool->classes[class]);
        if (!b)
            return;
        pool->bytes -= (size_t)1 << class;
        if (b->backed)
            pool->backing->free(b, (size_t)1 << class, pool->backing->arg);
        else
            free(b);
    }
}

static void drop_all(struct usb_pool *pool)
{
    for (unsigned i = CLASS_MIN; i <= CLASS_MAX; i++)
        drop(pool, i, UINT32_MAX);
}

void usb_pool_free(struct usb_pool *pool)
{
    if (!pool)
        return;
    drop_all(pool);
    free(pool);
}

static unsigned class_of(size_t bytes)
{
    unsigned class = CLASS_MIN;

    while (((size_t)1 << class) < bytes)
        class ++;
    return class;
}

void usb_pool_back(struct usb_pool *pool, const struct usb_pool_backing *b)
{
    drop_all(pool);
    pool->backing = b;
}

static struct block *make(struct usb_pool *pool, size_t bytes)
{
    const struct usb_pool_backing *back = pool->backing;
    struct block *b = NULL;

    if (back && bytes >= back->min_len)
        b = back->alloc(bytes, back->arg);
    bool backed = b != NULL;
    if (!b)
        b = aligned_alloc(HEAD_BYTES, bytes);
    if (b)
        b->backed = backed;
    return b;
}

void *usb_pool_get(struct usb_pool *pool, size_t len)
{
    if (len > USB_POOL_BLOCK_MAX)
        return NULL;
    unsigned class = class_of(len + HEAD_BYTES);
    size_t bytes = (size_t)1 << class;
    struct block *b = take(&pool->classes[class]);

    if (!b && pool->bytes + bytes > pool->max_bytes)
        drop_all(pool); /* what lies in other classes may make room */
    if (!b && pool->bytes + bytes <= pool->max_bytes) {
        b = make(pool, bytes);
        if (b)
            pool->bytes += bytes;
    }
    if (!b)
        return NULL;
    b->class = class;
    return (uint8_t *)b + HEAD_BYTES;
}

void usb_pool_put(struct usb_pool *pool, void *block)
{
    if (!block)
        return;
    struct block *b = (struct block *)(void *)((uint8_t *)block - HEAD_BYTES);
    struct class *c = &pool->classes[b->class];

    SLIST_INSERT_HEAD(&c->kept, b, next);
    c->n++;
}

void usb_pool_trim(struct usb_pool *pool)
{
    for (unsigned i = CLASS_MIN; i <= CLASS_MAX; i++) {
        drop(pool, i, pool->classes[i].low);
        pool->classes[i].low = pool->classes[i].n;
    }
}

size_t usb_pool_bytes(const struct usb_pool *pool)
{
    return pool->bytes;
}
