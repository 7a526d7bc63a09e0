/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles and includes. pure. See fw_profile.h. */
#include "dom0/fw_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "rules/rule_lower.h"

int fw_profile_add(struct config *c, struct text data, const char *file,
                   const char *name, struct problems *p)
{
    struct fw_profile *one, **v;
    int r;

    if (fw_profile_name(text_of(name))) {
        problems_add(p, file, 0,
                     "the file's name '%.40s' is not a profile's; expected 1 "
                     "to 31 letters, digits, '_', '-', beginning with a "
                     "letter, then .rules",
                     name);
        return 0;
    }
    if (c->n_profiles == FW_PROFILES_MAX) {
        problems_add(p, file, 0, "more than %d profiles", FW_PROFILES_MAX);
        return 0;
    }
    v = realloc(c->profiles, (c->n_profiles + 1) * sizeof(*v));
    if (!v)
        return -ENOMEM;
    c->profiles = v;
    one = calloc(1, sizeof(*one));
    if (!one)
        return -ENOMEM;
    v[c->n_profiles++] = one;
    snprintf(one->name, sizeof(one->name), "%s", name);
    one->file = strdup(file);
    if (!one->file)
        return -ENOMEM;
    r = fw_items_parse(data, file, 0, &one->items, p);
    return r == -ENOMEM ? r : 0;
}

void fw_profiles_free(struct config *c)
{
    for (size_t i = 0; i < c->n_profiles; i++) {
        fw_items_free(&c->profiles[i]->items);
        free(c->profiles[i]->file);
        free(c->profiles[i]);
    }
    free(c->profiles);
    c->profiles = NULL;
    c->n_profiles = 0;
}

/* ---- expansion ---- */

struct expansion {
    const struct config *c;
    struct problems *p;
    struct config_rule *v; /* the whole list so far; owned */
    size_t n, cap;
    size_t keys;  /* they need */
    size_t steps; /* includes so far */
    bool full;
    const struct fw_profile *open[FW_PROFILE_DEPTH]; /* being put in */
    unsigned depth;
};

static int put_rule(struct expansion *e, const struct fw_rule *rule,
                    unsigned line, const struct fw_profile *from)
{
    if (e->n == CONFIG_RULES_MAX || e->keys + rule_span(rule) > FW_RULES_MAX) {
        e->full = true;
        return 0;
    }
    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 16;
        struct config_rule *v = reallocarray(e->v, cap, sizeof(*v));

        if (!v)
            return -ENOMEM;
        e->v = v;
        e->cap = cap;
    }
    e->v[e->n++] =
        (struct config_rule){.rule = *rule, .line = line, .from = from};
    e->keys += rule_span(rule);
    return 0;
}

static const struct fw_profile *find(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_profiles; i++) {
        if (!strcmp(c->profiles[i]->name, name))
            return c->profiles[i];
    }
    return NULL;
}

static void list_names(const struct config *c, char *dst, size_t cap)
{
    size_t n = 0;

    dst[0] = 0;
    for (size_t i = 0; i < c->n_profiles && n < cap; i++)
        n += (size_t)snprintf(dst + n, cap - n, "%s%s", n ? ", " : "",
                              c->profiles[i]->name);
}

static bool is_open(const struct expansion *e, const struct fw_profile *pr)
{
    for (unsigned i = 0; i < e->depth; i++) {
        if (e->open[i] == pr)
            return true;
    }
    return false;
}

/* All rules of a profile and of those it includes.
 * file, line: where it is included */
static int put_profile(struct expansion *e, const char *name, const char *file,
                       unsigned line)
{
    const struct fw_profile *pr = find(e->c, name);
    int r = 0;

    if (!pr) {
        char names[160];

        list_names(e->c, names, sizeof(names));
        problems_add(e->p, file, line,
                     "there is no profile %s; expected one of: %s", name,
                     names[0] ? names : "(profiles/ holds none)");
        return 0;
    }
    if (is_open(e, pr)) {
        problems_add(e->p, file, line,
                     "profile %s includes itself, by way of this line; "
                     "expected an include that leads out",
                     name);
        return 0;
    }
    if (e->steps++ == FW_ITEMS_MAX) {
        e->full = true;
        return 0;
    }
    if (e->depth == FW_PROFILE_DEPTH) {
        problems_add(e->p, file, line,
                     "profiles within profiles, more than %d deep",
                     FW_PROFILE_DEPTH);
        return 0;
    }
    e->open[e->depth++] = pr;
    for (size_t i = 0; !r && i < pr->items.n && !e->full; i++) {
        const struct fw_item *it = &pr->items.v[i];

        r = it->include[0] ? put_profile(e, it->include, pr->file, it->line)
                           : put_rule(e, &it->rule, it->line, pr);
    }
    e->depth--;
    return r;
}

static void complain_full(const struct expansion *e, const char *file,
                          unsigned line)
{
    if (e->full)
        problems_add(e->p, file, line,
                     "the list is too long; expected at most %d rules that "
                     "make at most %d keys (each range of a dstports list is "
                     "one)",
                     CONFIG_RULES_MAX, FW_RULES_MAX);
}

static int expand_qube(struct expansion *e, struct config_qube *q)
{
    size_t own = 0;
    int r = 0;

    for (size_t k = 0; !r && k <= q->n_includes; k++) {
        size_t until = k < q->n_includes ? q->includes[k].at : q->n_rules;

        while (!r && own < until) {
            r = put_rule(e, &q->rules[own].rule, q->rules[own].line, NULL);
            own++;
        }
        if (r || k == q->n_includes)
            break;
        q->includes[k].at = e->n;
        r = put_profile(e, q->includes[k].name, q->file, q->includes[k].line);
        q->includes[k].n = e->n - q->includes[k].at;
    }
    complain_full(e, q->file, q->line[KEY_RULE]);
    if (r)
        return r;
    free(q->rules);
    q->rules = e->v;
    q->n_rules = e->n;
    e->v = NULL;
    return 0;
}

/* A profile alone: also one that nobody includes is to be right. */
static int try_profile(struct expansion *e, const struct fw_profile *pr)
{
    size_t before = problems_count(e->p);
    int r = put_profile(e, pr->name, pr->file, 0);

    if (problems_count(e->p) == before)
        complain_full(e, pr->file, 0);
    return r;
}

int fw_profile_try(const struct config *c, const struct fw_items *items,
                   const char *file, size_t *ret_keys, struct problems *p)
{
    struct expansion e = {.c = c, .p = p};
    size_t before = problems_count(p);
    int r = 0;

    for (size_t i = 0; !r && i < items->n && !e.full; i++) {
        const struct fw_item *it = &items->v[i];

        r = it->include[0] ? put_profile(&e, it->include, file, it->line)
                           : put_rule(&e, &it->rule, it->line, NULL);
        complain_full(&e, file, it->line);
    }
    free(e.v);
    if (r)
        return r;
    if (ret_keys)
        *ret_keys = problems_count(p) > before ? 0 : e.keys;
    return problems_count(p) > before ? -EBADMSG : 0;
}

int fw_profile_expand(struct config *c, struct problems *p)
{
    size_t before = problems_count(p);
    int r = 0;

    for (size_t i = 0; !r && i < c->n_profiles; i++) {
        struct expansion e = {.c = c, .p = p};

        r = try_profile(&e, c->profiles[i]);
        free(e.v);
    }
    if (problems_count(p) > before)
        return r; /* said once, not again for each qube */
    for (size_t i = 0; !r && i < c->n; i++) {
        struct expansion e = {.c = c, .p = p};

        r = expand_qube(&e, c->qubes[i]);
        free(e.v);
    }
    return r;
}

int fw_profile_items(const struct config_qube *q, struct fw_items *ret,
                     size_t **ret_from)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
    size_t *from = calloc(q->n_rules + q->n_includes + 2, sizeof(*from));
    size_t i = 0, k = 0;
    int r = 0;

    if (!from)
        return -ENOMEM;
    if (!q->has_firewall)
        r = fw_items_add_rule(ret, &accept);
    while (!r && (i < q->n_rules || k < q->n_includes)) {
        from[ret->n] = i;
        if (k < q->n_includes && q->includes[k].at == i) {
            r = fw_items_add_include(ret, text_of(q->includes[k].name));
            i += q->includes[k++].n;
        } else {
            r = fw_items_add_rule(ret, &q->rules[i++].rule);
        }
    }
    from[ret->n] = q->has_firewall ? q->n_rules : 1;
    if (!r && ret_from)
        *ret_from = from;
    else
        free(from);
    return r;
}
