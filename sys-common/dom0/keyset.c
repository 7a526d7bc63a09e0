/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sorted set of keys and the difference of two. pure. See keys.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/keys.h"
#include "lib/err.h"
#include "lib/mem.h"

#define RULES_TREE "/qubes-firewall/"
#define RULES_TREE_LEN (sizeof(RULES_TREE) - 1)
#define LIMITS_TREE "/sysqube-firewall/"
#define LIMITS "/limits"

static bool legal_path(const char *p)
{
    static const char set[] = PARSE_LOWER PARSE_UPPER PARSE_DIGIT "_./:@-";
    size_t len = strlen(p);

    return len > 1 && len < QDB_REC_PATH && p[0] == '/' && p[len - 1] != '/' &&
           strspn(p, set) == len;
}

int keyset_add(struct keyset *s, const char *path, const char *fmt, ...)
{
    char buf[KEYS_VALUE_MAX + 2];
    struct key *k;
    va_list ap;
    char *val;
    int n;

    if (!legal_path(path))
        return -EINVAL;
    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    if (n < 0 || n > KEYS_VALUE_MAX)
        return -ENOBUFS;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct key *v = realloc(s->v, cap * sizeof(*v));

        if (!v)
            return -ENOMEM;
        s->v = v;
        s->cap = cap;
    }
    val = strdup(buf);
    if (!val)
        return -ENOMEM;
    k = &s->v[s->n++];
    *k = (struct key){.val = val};
    memcpy(k->path, path, strlen(path));
    return 0;
}

static int key_cmp(const void *a, const void *b)
{
    const struct key *ka = a, *kb = b;

    return strcmp(ka->path, kb->path);
}

void keyset_sort(struct keyset *s)
{
    if (s->n > 1)
        qsort(s->v, s->n, sizeof(*s->v), key_cmp);
}

static struct key *find(const struct keyset *s, const char *path)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(s->v[mid].path, path);

        if (!c)
            return &s->v[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const char *keyset_get(const struct keyset *s, const char *path)
{
    const struct key *k = find(s, path);

    return k ? k->val : NULL;
}

void keyset_del(struct keyset *s, const char *path)
{
    struct key *k = find(s, path);

    if (!k)
        return;
    free(k->val);
    s->n--;
    memmove(k, k + 1, (size_t)(s->v + s->n - k) * sizeof(*k));
}

void keyset_free(struct keyset *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i].val);
    free(s->v);
    *s = (struct keyset){0};
}

/* ---- difference ---- */

/* Trees that are read as a whole when their signal key is written. */
static const char *const units[] = {
    "/sysqube-firewall/edge", "/sysqube-firewall/inbound", "/sysqube-forward"};

static bool is_source(const char *path)
{
    return !strncmp(path, RULES_TREE, RULES_TREE_LEN);
}

/* Length of the signal key of the tree a path belongs to; 0: none. */
static size_t unit_len(const char *path)
{
    if (is_source(path))
        return RULES_TREE_LEN + strcspn(path + RULES_TREE_LEN, "/");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i]);

        if (!strncmp(path, units[i], len) && (!path[len] || path[len] == '/'))
            return len;
    }
    return 0;
}

static bool is_signal(const char *path)
{
    size_t len = unit_len(path);

    return len && !path[len];
}

/* Limits are a part of the source whose they are, outside of its tree. */
static bool is_limits(const char *path)
{
    size_t len = strlen(path), end = sizeof(LIMITS) - 1;

    return !strncmp(path, LIMITS_TREE, sizeof(LIMITS_TREE) - 1) && len > end &&
           !strcmp(path + len - end, LIMITS);
}

/* Written with its tree, not by itself. */
static bool is_rules(const char *path)
{
    return unit_len(path) || is_limits(path);
}

/* The keys of one source, signal key left out: [first, first + n). */
struct span {
    size_t first, n;
};

static struct span span_of(const struct keyset *s, const char *tree)
{
    size_t len = strlen(tree);
    struct span sp = {0, 0};

    while (sp.first < s->n && strncmp(s->v[sp.first].path, tree, len) < 0)
        sp.first++;
    while (sp.first + sp.n < s->n &&
           !strncmp(s->v[sp.first + sp.n].path, tree, len))
        sp.n++;
    return sp;
}

static bool span_eq(const struct keyset *a, struct span sa,
                    const struct keyset *b, struct span sb)
{
    if (sa.n != sb.n)
        return false;
    for (size_t i = 0; i < sa.n; i++) {
        const struct key *ka = &a->v[sa.first + i];
        const struct key *kb = &b->v[sb.first + i];

        if (strcmp(ka->path, kb->path) || strcmp(ka->val, kb->val))
            return false;
    }
    return true;
}

static int write_source(const struct keyset *now, const char *signal,
                        const char *tree, bool was_there, struct span sp,
                        keys_op_cb cb, void *arg)
{
    char policy[QDB_REC_PATH + 8];
    const char *val;
    int r = was_there ? cb(KEY_OP_RM, tree, NULL, arg) : 0;

    /* policy first: a half-read list is then one that drops */
    snprintf(policy, sizeof(policy), "%spolicy", tree);
    val = r ? NULL : keyset_get(now, policy);
    if (val)
        r = cb(KEY_OP_SET, policy, val, arg);
    for (size_t i = 0; !r && i < sp.n; i++) {
        const struct key *k = &now->v[sp.first + i];

        if (strcmp(k->path, policy))
            r = cb(KEY_OP_SET, k->path, k->val, arg);
    }
    return r ? r : cb(KEY_OP_SET, signal, "", arg);
}

/* The limits of a source whose signal key this is, if they differ: before
 * the rules, whose signal makes them read. @return 0; 1 written; error */
static int write_limits(const struct keyset *old, const struct keyset *now,
                        const char *signal, keys_op_cb cb, void *arg)
{
    char path[2 * QDB_REC_PATH];
    const char *was, *is;
    int r;

    if (!is_source(signal))
        return 0;
    snprintf(path, sizeof(path), LIMITS_TREE "%s" LIMITS,
             signal + RULES_TREE_LEN);
    was = keyset_get(old, path);
    is = keyset_get(now, path);
    if (was == is || (was && is && !strcmp(was, is)))
        return 0;
    r = cb(is ? KEY_OP_SET : KEY_OP_RM, path, is, arg);
    return r ? r : 1;
}

static int diff_source(const struct keyset *old, const struct keyset *now,
                       const char *signal, keys_op_cb cb, void *arg)
{
    char tree[QDB_REC_PATH + 2];
    struct span so, sn;
    bool had = keyset_get(old, signal) != NULL;
    int r;

    snprintf(tree, sizeof(tree), "%s/", signal);
    so = span_of(old, tree);
    sn = span_of(now, tree);
    r = write_limits(old, now, signal, cb, arg);
    if (r < 0)
        return r;
    if (!keyset_get(now, signal)) {
        r = so.n ? cb(KEY_OP_RM, tree, NULL, arg) : 0;
        return r ? r : cb(KEY_OP_RM, signal, NULL, arg);
    }
    if (!r && had && span_eq(old, so, now, sn))
        return 0;
    return write_source(now, signal, tree, so.n > 0, sn, cb, arg);
}

/* Every signal key of either set once: those of now, then the old ones that
 * are gone. */
static int diff_rules(const struct keyset *old, const struct keyset *now,
                      keys_op_cb cb, void *arg)
{
    int r = 0;

    for (size_t i = 0; !r && i < now->n; i++) {
        if (is_signal(now->v[i].path))
            r = diff_source(old, now, now->v[i].path, cb, arg);
    }
    return r;
}

static int diff_gone_rules(const struct keyset *old, const struct keyset *now,
                           keys_op_cb cb, void *arg)
{
    int r = 0;

    for (size_t i = 0; !r && i < old->n; i++) {
        if (is_signal(old->v[i].path) && !keyset_get(now, old->v[i].path))
            r = diff_source(old, now, old->v[i].path, cb, arg);
    }
    return r;
}

int keys_diff(const struct keyset *old, const struct keyset *now, keys_op_cb cb,
              void *arg)
{
    int r = diff_rules(old, now, cb, arg);

    for (size_t i = 0; !r && i < now->n; i++) {
        const struct key *k = &now->v[i];
        const char *was = is_rules(k->path) ? k->val : keyset_get(old, k->path);

        if (!was || strcmp(was, k->val))
            r = cb(KEY_OP_SET, k->path, k->val, arg);
    }
    for (size_t i = 0; !r && i < old->n; i++) {
        const struct key *k = &old->v[i];

        if (!is_rules(k->path) && !keyset_get(now, k->path))
            r = cb(KEY_OP_RM, k->path, NULL, arg);
    }
    return r ? r : diff_gone_rules(old, now, cb, arg);
}

struct changed {
    char (*ret)[IPADDR_TEXT_MAX];
    size_t n, cap;
};

static int note_changed(enum key_op op, const char *path, const char *val,
                        void *arg)
{
    struct changed *c = arg;

    (void)val;
    if (op == KEY_OP_SET && is_source(path) && is_signal(path) && c->n < c->cap)
        snprintf(c->ret[c->n++], IPADDR_TEXT_MAX, "%.*s", IPADDR_TEXT_MAX - 1,
                 path + RULES_TREE_LEN);
    return 0;
}

size_t keys_changed_sources(const struct keyset *old, const struct keyset *now,
                            char (*ret)[IPADDR_TEXT_MAX], size_t cap)
{
    struct changed c = {ret, 0, cap};

    (void)diff_rules(old, now, note_changed, &c);
    return c.n;
}
