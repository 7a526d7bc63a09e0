/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections of a qube's file, text to text. pure. See section.h. */
#include "dom0/section.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/config.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_format.h"
#include "rules/rule_parse.h"

struct out {
    char *p;
    size_t len, cap;
    int err;
};

static void put(struct out *o, const char *s, size_t len)
{
    if (o->err)
        return;
    if (o->len + len > CONFIG_FILE_MAX) {
        o->err = -ENOBUFS;
        return;
    }
    if (o->len + len + 1 > o->cap) {
        size_t cap = (o->len + len + 1) * 2;
        char *n = realloc(o->p, cap);

        if (!n) {
            o->err = -ENOMEM;
            return;
        }
        o->p = n;
        o->cap = cap;
    }
    memcpy(o->p + o->len, s, len);
    o->len += len;
    o->p[o->len] = 0;
}

static struct text trimmed(struct text t)
{
    while (t.len && (t.p[t.len - 1] == ' ' || t.p[t.len - 1] == '\t' ||
                     t.p[t.len - 1] == '\r' || t.p[t.len - 1] == '\n'))
        t.len--;
    return t;
}

/* A Rule= or Include= line: parses its value. Text that is neither gives
 * false and is then dropped with the old list. */
static bool item_of_line(struct text line, bool *ret_is_item,
                         struct fw_item *ret)
{
    struct text t = trimmed(line), key = t;
    const char *eq = memchr(t.p, '=', t.len);
    bool include;

    *ret_is_item = false;
    if (!eq)
        return false;
    key.len = (size_t)(eq - t.p);
    key = trimmed(key);
    include = text_eq(key, "Include");
    if (!include && !text_eq(key, "Rule"))
        return false;
    *ret_is_item = true;
    t.len -= (size_t)(eq + 1 - t.p);
    t.p = eq + 1;
    while (t.len && (*t.p == ' ' || *t.p == '\t')) {
        t.p++;
        t.len--;
    }
    if (include)
        return t.len > 0 && !text_copy(t, ret->include, sizeof(ret->include));
    return !rule_parse_line(t, 0, &ret->rule, NULL);
}

static void put_item(struct out *o, const struct fw_item *item)
{
    char text[FW_TEXT_MAX];
    int n = rule_format_api(&item->rule, text, sizeof(text));

    if (item->include[0]) {
        put(o, "Include=", 8);
        put(o, item->include, strlen(item->include));
    } else if (n < 0) {
        o->err = n;
    } else {
        put(o, "Rule=", 5);
        put(o, text, (size_t)n);
    }
    put(o, "\n", 1);
}

/* Lines of the old sections between one rule and the next, in order. */
struct piece {
    struct text before; /* comments and blank lines above the rule */
    struct text line;   /* the Rule= line with its newline */
    struct fw_item item;
    bool used;
};

struct pieces {
    struct piece *v;
    size_t n, cap;
    struct text tail; /* behind the last rule */
};

static bool is_section(struct text line, bool *ret_firewall)
{
    struct text t = trimmed(line);

    if (!t.len || t.p[0] != '[')
        return false;
    *ret_firewall = text_eq(t, "[Firewall]");
    return true;
}

/* One line with its newline off the front of rest. */
static bool take_line(struct text *rest, struct text *ret)
{
    const char *nl;

    if (!rest->len)
        return false;
    nl = memchr(rest->p, '\n', rest->len);
    *ret = (struct text){rest->p, nl ? (size_t)(nl - rest->p) + 1 : rest->len};
    rest->p += ret->len;
    rest->len -= ret->len;
    return true;
}

static int collect(struct text body, struct pieces *ps)
{
    struct text rest = body, line, before = {body.p, 0};

    while (take_line(&rest, &line)) {
        struct fw_item item = {0};
        bool is_item;
        bool good = item_of_line(line, &is_item, &item);

        if (!is_item) {
            before.len += line.len;
            continue;
        }
        if (ps->n == ps->cap) {
            size_t cap = ps->cap ? ps->cap * 2 : 16;
            struct piece *v = reallocarray(ps->v, cap, sizeof(*v));

            if (!v)
                return -ENOMEM;
            ps->v = v;
            ps->cap = cap;
        }
        ps->v[ps->n++] = (struct piece){before, line, item, !good};
        before = (struct text){rest.p, 0};
    }
    ps->tail = before;
    return 0;
}

static void put_line(struct out *o, struct text line)
{
    put(o, line.p, line.len);
    if (line.len && line.p[line.len - 1] != '\n')
        put(o, "\n", 1);
}

/* The new body: old lines where the rule is an old one not yet used. The
 * search starts where the last match was, so that an unchanged list costs
 * one comparison per rule. */
static void put_rules(struct out *o, struct pieces *ps,
                      const struct fw_items *items)
{
    size_t from = 0;

    for (size_t i = 0; i < items->n && !o->err; i++) {
        struct piece *found = NULL;

        for (size_t k = 0; k < ps->n && !found; k++) {
            struct piece *c = &ps->v[(from + k) % ps->n];

            if (!c->used && fw_item_eq(&c->item, &items->v[i])) {
                found = c;
                from = (from + k + 1) % ps->n;
            }
        }
        if (found) {
            found->used = true;
            put(o, found->before.p, found->before.len);
            put_line(o, found->line);
        } else {
            put_item(o, &items->v[i]);
        }
    }
}

/* Comment lines above rules that are gone stay where the section ends. */
static void put_left_over(struct out *o, const struct pieces *ps)
{
    for (size_t i = 0; i < ps->n; i++) {
        if (!ps->v[i].used && trimmed(ps->v[i].before).len)
            put(o, ps->v[i].before.p, ps->v[i].before.len);
    }
    put(o, ps->tail.p, ps->tail.len);
}

static int put_section(struct out *o, struct text body,
                       const struct fw_items *items)
{
    static const struct fw_items none = {0};
    struct pieces ps = {0};
    int r = collect(body, &ps);

    if (!r) {
        put_rules(o, &ps, items ? items : &none);
        put_left_over(o, &ps);
    }
    free(ps.v);
    return r;
}

/* All bytes of all [Firewall] sections, without their headers, in order. */
static int gather(struct text file, struct out *ret)
{
    struct text rest = file, line;
    bool inside = false, firewall = false;

    put(ret, "", 0);
    while (take_line(&rest, &line)) {
        if (is_section(line, &firewall))
            inside = firewall;
        else if (inside)
            put_line(ret, line);
    }
    return ret->err;
}

int section_rewrite(struct text file, const struct fw_items *items, char **ret,
                    size_t *ret_len)
{
    struct out body = {0}, o = {0};
    struct text rest = file, line;
    bool inside = false, done = false, firewall = false;
    int r = gather(file, &body);

    put(&o, "", 0);
    while (!r && take_line(&rest, &line)) {
        if (is_section(line, &firewall)) {
            inside = firewall;
            if (!firewall) {
                put_line(&o, line);
            } else if (!done) {
                done = true;
                if (items)
                    put_line(&o, line);
                r = put_section(&o, (struct text){body.p, body.len}, items);
            }
        } else if (!inside) {
            put_line(&o, line);
        }
    }
    if (!r && !done && items) {
        if (o.len)
            put(&o, "\n", 1);
        put(&o, "[Firewall]\n", 11);
        r = put_section(&o, (struct text){"", 0}, items);
    }
    free(body.p);
    r = r ? r : o.err;
    if (r) {
        free(o.p);
        return r;
    }
    *ret = o.p;
    if (ret_len)
        *ret_len = o.len;
    return 0;
}

/* ---- one value ---- */

/* The key of a line "Key=value". */
static bool key_of_line(struct text line, struct text *ret)
{
    const char *eq = memchr(line.p, '=', line.len);

    if (!line.len || line.p[0] == '#' || line.p[0] == ';' || !eq)
        return false;
    *ret = trimmed((struct text){line.p, (size_t)(eq - line.p)});
    return true;
}

/* Where the value's line goes: bytes [from, to) of the file are replaced. */
static bool place_of(struct text file, const char *section, const char *key,
                     size_t *ret_from, size_t *ret_to)
{
    struct text rest = file, line, name;
    bool inside = false, found = false;

    while (take_line(&rest, &line)) {
        struct text t = trimmed(line);
        size_t end = (size_t)(rest.p - file.p);

        if (t.len && t.p[0] == '[') {
            inside = text_eq(t, section);
        } else if (!inside || !key_of_line(line, &name)) {
            continue;
        } else if (text_eq(name, key)) {
            *ret_from = end - line.len;
            *ret_to = end;
            return true;
        }
        if (inside) {
            *ret_from = *ret_to = end;
            found = true;
        }
    }
    return found;
}

int section_set(struct text file, const char *section, const char *key,
                const char *value, char **ret, size_t *ret_len)
{
    size_t from = file.len, to = file.len;
    bool found = place_of(file, section, key, &from, &to);
    struct out o = {0};

    put(&o, file.p, from);
    if (o.len && o.p[o.len - 1] != '\n')
        put(&o, "\n", 1);
    if (!found) {
        put(&o, section, strlen(section));
        put(&o, "\n", 1);
    }
    put(&o, key, strlen(key));
    put(&o, "=", 1);
    put(&o, value, strlen(value));
    put(&o, "\n", 1);
    put(&o, file.p + to, file.len - to);
    if (o.err) {
        free(o.p);
        return o.err;
    }
    *ret = o.p;
    if (ret_len)
        *ret_len = o.len;
    return 0;
}
