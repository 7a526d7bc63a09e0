/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key/value store of QubesDB. pure. See qdb_store.h. A sorted array of
 * pointers: search is a bisection, a prefix is a run of neighbours, and an
 * insertion moves at most some 24 kB at the limits used. */
#include "qubesdb/qdb_store.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

#define GROW_FIRST 64u

TAILQ_HEAD(entry_queue, qdb_entry);

struct qdb_store {
    struct qdb_entry **sorted;
    size_t n, cap;
    uint32_t dead;
    struct qdb_limits limit[QDB_OWNERS], used[QDB_OWNERS];
    struct entry_queue queue[QDB_QUEUES];
};

int qdb_store_new(const struct qdb_limits limits[QDB_OWNERS],
                  struct qdb_store **ret)
{
    struct qdb_store *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    memcpy(s->limit, limits, sizeof(s->limit));
    for (unsigned q = 0; q < QDB_QUEUES; q++)
        TAILQ_INIT(&s->queue[q]);
    *ret = s;
    return 0;
}

void qdb_store_free(struct qdb_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->sorted[i]->value);
        free(s->sorted[i]);
    }
    free(s->sorted);
    free(s);
}

/* Index of the first entry not before @p path. */
static size_t lower_bound(const struct qdb_store *s, const char *path)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(s->sorted[mid]->path, path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Live or dead. */
static struct qdb_entry *lookup(const struct qdb_store *s, const char *path)
{
    size_t i = lower_bound(s, path);

    if (i < s->n && strcmp(s->sorted[i]->path, path) == 0)
        return s->sorted[i];
    return NULL;
}

const struct qdb_entry *qdb_store_find(const struct qdb_store *s,
                                       const char *path)
{
    const struct qdb_entry *e = lookup(s, path);

    return e && !e->dead ? e : NULL;
}

static uint32_t cost(uint32_t len)
{
    return QDB_PATH_MAX + len;
}

static void charge(struct qdb_store *s, enum qdb_owner owner, uint32_t len)
{
    s->used[owner].entries++;
    s->used[owner].bytes += cost(len);
}

static void refund(struct qdb_store *s, enum qdb_owner owner, uint32_t len)
{
    s->used[owner].entries--;
    s->used[owner].bytes -= cost(len);
}

/* Would @p owner be within its limits with one more entry, @p old (may be
 * NULL) being replaced? */
static int afford(const struct qdb_store *s, enum qdb_owner owner, uint32_t len,
                  const struct qdb_entry *old)
{
    uint64_t entries = (uint64_t)s->used[owner].entries + 1;
    uint64_t bytes = (uint64_t)s->used[owner].bytes + cost(len);

    if (old && old->owner == owner) {
        entries--;
        bytes -= cost(old->len);
    }
    if (entries > s->limit[owner].entries)
        return -ENOSPC;
    return bytes > s->limit[owner].bytes ? -EDQUOT : 0;
}

static int insert(struct qdb_store *s, struct qdb_entry *e)
{
    size_t i = lower_bound(s, e->path);

    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : GROW_FIRST;
        struct qdb_entry **bigger =
            reallocarray(s->sorted, cap, sizeof(struct qdb_entry *));
        if (!bigger)
            return -ENOMEM;
        s->sorted = bigger;
        s->cap = cap;
    }
    memmove(s->sorted + i + 1, s->sorted + i,
            (s->n - i) * sizeof(struct qdb_entry *));
    s->sorted[i] = e;
    s->n++;
    return 0;
}

static void destroy(struct qdb_store *s, struct qdb_entry *e)
{
    size_t i = lower_bound(s, e->path);

    memmove(s->sorted + i, s->sorted + i + 1,
            (s->n - i - 1) * sizeof(struct qdb_entry *));
    s->n--;
    if (e->dead)
        s->dead--;
    refund(s, e->owner, e->len);
    free(e->value);
    free(e);
}

int qdb_store_set(struct qdb_store *s, const char *path, const void *val,
                  size_t len, enum qdb_owner owner,
                  const struct qdb_entry **ret)
{
    struct qdb_entry *e = lookup(s, path);
    uint8_t *copy = NULL;
    int r = afford(s, owner, (uint32_t)len, e);

    if (r < 0)
        return r;
    if (len > 0) {
        copy = malloc(len);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, val, len);
    }
    if (e) {
        refund(s, e->owner, e->len);
        free(e->value);
        if (e->dead)
            s->dead--;
        e->dead = false;
    } else {
        e = calloc(1, sizeof(*e));
        if (e)
            memcpy(e->path, path, strnlen(path, QDB_PATH_MAX - 1));
        r = e ? insert(s, e) : -ENOMEM;
        if (r < 0) {
            free(e);
            free(copy);
            return r;
        }
    }
    e->value = copy;
    e->len = (uint32_t)len;
    e->owner = owner;
    charge(s, owner, e->len);
    if (ret)
        *ret = e;
    return 0;
}

static void dequeue(struct qdb_store *s, unsigned q, struct qdb_entry *e)
{
    if (!(e->pending & 1u << q))
        return;
    TAILQ_REMOVE(&s->queue[q], e, link[q]);
    e->pending &= (uint8_t) ~(1u << q);
}

static void enqueue(struct qdb_store *s, unsigned q, struct qdb_entry *e)
{
    dequeue(s, q, e);
    TAILQ_INSERT_TAIL(&s->queue[q], e, link[q]);
    e->pending |= (uint8_t)(1u << q);
}

int qdb_store_rm(struct qdb_store *s, const char *path)
{
    struct qdb_entry *e = lookup(s, path);

    if (!e || e->dead)
        return -ENOENT;
    for (unsigned q = 0; q < QDB_QUEUES; q++) {
        if (e->known & 1u << q)
            enqueue(s, q, e);
        else
            dequeue(s, q, e);
    }
    if (!e->pending) {
        destroy(s, e);
        return 0;
    }
    refund(s, e->owner, e->len);
    free(e->value);
    e->value = NULL;
    e->len = 0;
    charge(s, e->owner, 0);
    e->dead = true;
    s->dead++;
    return 0;
}

const struct qdb_entry *qdb_store_next(const struct qdb_store *s,
                                       const char *prefix, const char *after)
{
    size_t len = strlen(prefix);
    size_t i = lower_bound(s, prefix);

    if (after) {
        size_t from = lower_bound(s, after);
        if (from < s->n && strcmp(s->sorted[from]->path, after) == 0)
            from++;
        if (from > i)
            i = from;
    }
    for (; i < s->n; i++) {
        if (strncmp(s->sorted[i]->path, prefix, len) != 0)
            return NULL;
        if (!s->sorted[i]->dead)
            return s->sorted[i];
    }
    return NULL;
}

const struct qdb_entry *qdb_store_prev(const struct qdb_store *s,
                                       const char *before)
{
    size_t i = before ? lower_bound(s, before) : s->n;

    while (i-- > 0)
        if (!s->sorted[i]->dead)
            return s->sorted[i];
    return NULL;
}

void qdb_store_queue(struct qdb_store *s, unsigned q, const char *path)
{
    struct qdb_entry *e = lookup(s, path);

    if (e && !e->dead)
        enqueue(s, q, e);
}

/* Nobody has to be told of this dead entry any more. */
static void bury(struct qdb_store *s, struct qdb_entry *e)
{
    if (e->dead && !e->pending)
        destroy(s, e);
}

void qdb_store_known(struct qdb_store *s, unsigned q, const char *path,
                     bool known)
{
    struct qdb_entry *e = lookup(s, path);

    if (!e)
        return;
    dequeue(s, q, e);
    if (known)
        e->known |= (uint8_t)(1u << q);
    else
        e->known &= (uint8_t) ~(1u << q);
    bury(s, e);
}

void qdb_store_told(struct qdb_store *s, unsigned q, const char *path)
{
    struct qdb_entry *e = lookup(s, path);

    if (e)
        e->known |= (uint8_t)(1u << q);
}

const struct qdb_entry *qdb_store_head(const struct qdb_store *s, unsigned q)
{
    return TAILQ_FIRST(&s->queue[q]);
}

void qdb_store_pop(struct qdb_store *s, unsigned q)
{
    struct qdb_entry *e = TAILQ_FIRST(&s->queue[q]);

    if (!e)
        return;
    dequeue(s, q, e);
    if (e->dead)
        e->known &= (uint8_t) ~(1u << q);
    else
        e->known |= (uint8_t)(1u << q);
    bury(s, e);
}

uint32_t qdb_store_count(const struct qdb_store *s, enum qdb_owner owner)
{
    return s->used[owner].entries;
}

uint32_t qdb_store_dead(const struct qdb_store *s)
{
    return s->dead;
}
