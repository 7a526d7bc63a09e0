/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counter keys: texts and what was written. pure. See count_keys.h. */
#include "firewallvm/count_keys.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/err.h"

#define TEXTS (COUNT_CHUNKS_MAX + 1)
#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

/* Texts are remembered by a hash: two that collide cost one late number. */
struct seen {
    struct ipaddr source;
    size_t n;
    uint64_t hash[TEXTS];
};

struct count_keys {
    struct seen *v;
    size_t n, cap;
};

void count_texts_make(const struct fw_totals *t, const struct fw_count *v,
                      size_t n, struct count_texts *ret)
{
    size_t at = 0;

    fw_totals_format(t, ret->text[0]);
    for (ret->n = 1; at < n && ret->n < TEXTS; ret->n++)
        at += fw_counts_format(v + at, n - at, ret->text[ret->n]);
}

int count_keys_new(struct count_keys **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

void count_keys_free(struct count_keys *k)
{
    if (!k)
        return;
    free(k->v);
    free(k);
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = FNV_START;

    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * FNV_PRIME;
    return h;
}

static struct seen *find(const struct count_keys *k,
                         const struct ipaddr *source)
{
    size_t i;

    for (i = 0; i < k->n; i++)
        if (ipaddr_eq(&k->v[i].source, source))
            return &k->v[i];
    return NULL;
}

bool count_keys_is(const struct count_keys *k, const struct ipaddr *source,
                   size_t i, const char *text)
{
    const struct seen *s = find(k, source);

    return s && i < s->n && s->hash[i] == hash_of(text);
}

static struct seen *add(struct count_keys *k, const struct ipaddr *source)
{
    struct seen *v;

    if (k->n == k->cap) {
        size_t cap = k->cap ? k->cap * 2 : 8;

        v = reallocarray(k->v, cap, sizeof(*v));
        if (!v)
            return NULL;
        k->v = v;
        k->cap = cap;
    }
    v = &k->v[k->n++];
    *v = (struct seen){.source = *source};
    return v;
}

int count_keys_wrote(struct count_keys *k, const struct ipaddr *source,
                     size_t i, const char *text)
{
    struct seen *s = find(k, source);

    if (!s)
        s = add(k, source);
    if (!s)
        return -ENOMEM;
    s->hash[i] = hash_of(text);
    if (i >= s->n)
        s->n = i + 1;
    return 0;
}

size_t count_keys_n(const struct count_keys *k, const struct ipaddr *source)
{
    const struct seen *s = find(k, source);

    return s ? s->n : 0;
}

void count_keys_cut(struct count_keys *k, const struct ipaddr *source, size_t n)
{
    struct seen *s = find(k, source);

    if (!s)
        return;
    if (n == 0)
        *s = k->v[--k->n];
    else if (n < s->n)
        s->n = n;
}
