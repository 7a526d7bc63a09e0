/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: which rule of which source wants which name. pure (it allocates).
 * Fed by checked lists. See names.h. */
#include "firewallvm/names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "firewallvm/names_impl.h"
#include "lib/err.h"
#include "rules/rule_parse.h"

#define USES_FIRST 16

int names_new(const struct names_config *config, struct names **ret)
{
    struct names *n = calloc(1, sizeof(*n));

    if (!n)
        return -ENOMEM;
    n->config = *config;
    *ret = n;
    return 0;
}

void names_configure(struct names *n, const struct names_config *config)
{
    n->config = *config;
}

void names_blind(struct names *n)
{
    n->blind = true;
}

static void free_family(struct names_family *f)
{
    free(f->v);
    *f = (struct names_family){0};
}

void names_free(struct names *n)
{
    size_t i;

    if (!n)
        return;
    for (i = 0; i < n->top; i++) {
        free_family(&n->v[i].f[NAMES_FOUR]);
        free_family(&n->v[i].f[NAMES_SIX]);
    }
    free(n->uses);
    free(n);
}

/* ---- uses ---- */
static int use_cmp(const struct names_one_use *u, const struct ipaddr *source,
                   unsigned number)
{
    int c = ipaddr_cmp(&u->source, source);

    if (c != 0)
        return c;
    return u->number < number ? -1 : u->number > number;
}

/* Where the use is, or would be inserted. */
static size_t use_place(const struct names *n, const struct ipaddr *source,
                        unsigned number)
{
    size_t low = 0, high = n->n_uses;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (use_cmp(&n->uses[mid], source, number) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct names_one_use *names_find_use(const struct names *n,
                                     const struct ipaddr *source,
                                     unsigned number)
{
    size_t at = use_place(n, source, number);

    if (at < n->n_uses && use_cmp(&n->uses[at], source, number) == 0)
        return &n->uses[at];
    return NULL;
}

struct names_family *names_family_of(const struct names *n,
                                     const struct names_one_use *use)
{
    const struct names_entry *e = &n->v[use->name];

    return (struct names_family *)(uintptr_t)&e
        ->f[names_index(use->source.family)];
}

void names_mark(struct names *n, const struct names_family *f, bool relist)
{
    size_t i;

    for (i = 0; i < n->n_uses; i++) {
        struct names_one_use *u = &n->uses[i];

        if (names_family_of(n, u) != f)
            continue;
        u->tell = true;
        if (relist && u->action == NAMES_DROP)
            u->relist = true;
    }
}

static int insert_use(struct names *n, size_t at,
                      const struct names_one_use *use)
{
    struct names_one_use *v;
    size_t cap;

    if (n->n_uses >= NAMES_USES_MAX)
        return -ENOBUFS;
    if (n->n_uses == n->cap_uses) {
        cap = n->cap_uses ? n->cap_uses * 2 : USES_FIRST;
        v = reallocarray(n->uses, cap, sizeof(*v));
        if (!v)
            return -ENOMEM;
        n->uses = v;
        n->cap_uses = cap;
    }
    memmove(&n->uses[at + 1], &n->uses[at],
            (n->n_uses - at) * sizeof(*n->uses));
    n->uses[at] = *use;
    n->n_uses++;
    return 0;
}

/* ---- entries ---- */
static struct names_entry *find_entry(struct names *n, const char *text,
                                      const struct ipaddr *owner)
{
    size_t i;

    for (i = 0; i < n->top; i++)
        if (n->v[i].used && ipaddr_eq(&n->v[i].owner, owner) &&
            strcmp(n->v[i].text, text) == 0)
            return &n->v[i];
    return NULL;
}

static struct names_entry *get_entry(struct names *n, const char *name,
                                     const struct ipaddr *source)
{
    bool wild = rule_name_is_wild(name);
    struct ipaddr owner = {.family = 0};
    char text[FW_NAME_MAX] = {0};
    struct names_entry *e;
    size_t len;

    if (wild) {
        name += 2;
        owner = *source;
    }
    len = strnlen(name, FW_NAME_MAX - 1);
    memcpy(text, name, len);
    if (len > 0 && text[len - 1] == '.')
        text[len - 1] = '\0';
    e = find_entry(n, text, &owner);
    if (e)
        return e;
    for (e = n->v; e < n->v + NAMES_MAX && e->used; e++)
        ;
    if (e == n->v + NAMES_MAX)
        return NULL;
    *e = (struct names_entry){.used = true, .wild = wild, .owner = owner};
    memcpy(e->text, text, sizeof(text));
    if ((size_t)(e - n->v) >= n->top)
        n->top = (size_t)(e - n->v) + 1;
    return e;
}

static bool in_use(const struct names_family *f)
{
    return f->uses[NAMES_ACCEPT] > 0 || f->uses[NAMES_DROP] > 0;
}

static void begin_use(struct names *n, const struct names_one_use *use,
                      uint64_t now_ms)
{
    struct names_family *f = names_family_of(n, use);

    if (!f->live) {
        f->live = true;
        f->due_ms = now_ms;
        f->known = n->v[use->name].wild;
    }
    if (f->uses[use->action]++ == 0)
        f->dirty[use->action] = f->known;
}

/* What is used no more stays until the list is whole: it may be named again
 * under another number. */
static void end_use(struct names *n, const struct names_one_use *use)
{
    names_family_of(n, use)->uses[use->action]--;
}

static void sweep(struct names *n)
{
    size_t i;
    unsigned k;

    for (i = 0; i < n->top; i++) {
        struct names_entry *e = &n->v[i];

        for (k = 0; k < 2; k++)
            if (!in_use(&e->f[k]))
                free_family(&e->f[k]);
        if (e->used && !in_use(&e->f[NAMES_FOUR]) && !in_use(&e->f[NAMES_SIX]))
            *e = (struct names_entry){0};
    }
}

/* ---- lists ---- */
void names_begin(struct names *n, const struct ipaddr *source)
{
    size_t i;

    for (i = use_place(n, source, 0); i < n->n_uses; i++) {
        if (!ipaddr_eq(&n->uses[i].source, source))
            break;
        n->uses[i].seen = false;
    }
}

int names_use(struct names *n, const struct ipaddr *source, unsigned number,
              const char *name, enum fw_action action, uint64_t now_ms)
{
    struct names_entry *e;
    struct names_one_use use = {
        .source = *source,
        .number = number,
        .action = action == FW_DROP ? NAMES_DROP : NAMES_ACCEPT,
        .seen = true,
        .tell = true,
    };
    struct names_one_use *old = names_find_use(n, source, number);
    int r = 0;

    if (action == FW_DROP && rule_name_is_wild(name))
        return -EINVAL;
    e = get_entry(n, name, source);
    if (!e)
        return -ENOBUFS;
    use.name = (uint16_t)(e - n->v);
    if (old && old->name == use.name && old->action == use.action) {
        old->seen = true;
        return 0;
    }
    begin_use(n, &use, now_ms);
    if (old) {
        end_use(n, old);
        *old = use;
    } else {
        r = insert_use(n, use_place(n, source, number), &use);
        if (r < 0)
            end_use(n, &use);
    }
    return r;
}

void names_end(struct names *n, const struct ipaddr *source)
{
    size_t from, to;

    for (from = to = use_place(n, source, 0); from < n->n_uses; from++) {
        struct names_one_use *u = &n->uses[from];

        if (ipaddr_eq(&u->source, source) && !u->seen)
            end_use(n, u);
        else
            n->uses[to++] = *u;
    }
    n->n_uses = to;
    sweep(n);
}

/* ---- handles ---- */
unsigned names_set(const struct names *n, const struct ipaddr *source,
                   unsigned number)
{
    const struct names_one_use *u = names_find_use(n, source, number);

    if (!u || (u->action == NAMES_DROP && !names_family_of(n, u)->known))
        return 0;
    return name_handle(u->name, source->family, u->action == NAMES_DROP);
}

struct names_family *names_of_set(const struct names *n, unsigned set,
                                  unsigned *ret_action, bool *ret_wild)
{
    const struct names_family *f;
    unsigned action;

    if (set < 1 || set > NAME_HANDLES)
        return NULL;
    action = name_handle_drops(set) ? NAMES_DROP : NAMES_ACCEPT;
    f = &n->v[name_handle_name(set)].f[names_index(name_handle_family(set))];
    if (!n->v[name_handle_name(set)].used || f->uses[action] == 0)
        return NULL;
    *ret_action = action;
    *ret_wild = n->v[name_handle_name(set)].wild;
    return (struct names_family *)(uintptr_t)f;
}
