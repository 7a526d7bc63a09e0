/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of rules and includes. pure. See fw_items.h. */
#include "dom0/fw_items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "rules/rule_format.h"
#include "rules/rule_parse.h"

int fw_items_insert(struct fw_items *l, size_t at, const struct fw_item *item)
{
    if (at > l->n)
        return -ERANGE;
    if (l->n >= FW_ITEMS_MAX)
        return -ENOBUFS;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct fw_item *v = reallocarray(l->v, cap, sizeof(*v));

        if (!v)
            return -ENOMEM;
        l->v = v;
        l->cap = cap;
    }
    memmove(&l->v[at + 1], &l->v[at], (l->n - at) * sizeof(*l->v));
    l->v[at] = *item;
    l->n++;
    return 0;
}

int fw_items_add_rule(struct fw_items *l, const struct fw_rule *rule)
{
    struct fw_item item = {.rule = *rule};

    return fw_items_insert(l, l->n, &item);
}

int fw_items_add_include(struct fw_items *l, struct text name)
{
    struct fw_item item = {0};
    int r = text_copy(name, item.include, sizeof(item.include));

    return r ? r : fw_items_insert(l, l->n, &item);
}

int fw_items_del(struct fw_items *l, size_t at)
{
    if (at >= l->n)
        return -ERANGE;
    l->n--;
    memmove(&l->v[at], &l->v[at + 1], (l->n - at) * sizeof(*l->v));
    return 0;
}

bool fw_item_eq(const struct fw_item *a, const struct fw_item *b)
{
    if (a->include[0] || b->include[0])
        return !strcmp(a->include, b->include);
    return rule_eq(&a->rule, &b->rule);
}

bool fw_items_eq(const struct fw_items *a, const struct fw_items *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!fw_item_eq(&a->v[i], &b->v[i]))
            return false;
    }
    return true;
}

void fw_items_free(struct fw_items *l)
{
    free(l->v);
    *l = (struct fw_items){0};
}

int fw_item_format(const struct fw_item *item, char *buf, size_t cap)
{
    int n;

    if (!item->include[0])
        return rule_format_api(&item->rule, buf, cap);
    n = snprintf(buf, cap, FW_ITEM_WORD " %s", item->include);
    return n < 0 || (size_t)n >= cap ? -ENOBUFS : n;
}

char *fw_items_format(const struct fw_items *l)
{
    char text[FW_TEXT_MAX], *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (!f)
        return NULL;
    for (size_t i = 0; i < l->n; i++) {
        if (fw_item_format(&l->v[i], text, sizeof(text)) >= 0)
            (void)fprintf(f, "%s\n", text);
    }
    if (fclose(f)) {
        free(out);
        return NULL;
    }
    return out;
}

int fw_profile_name(struct text t)
{
    if (!t.len || t.len >= FW_PROFILE_NAME_MAX ||
        !text_only(t, PARSE_LOWER PARSE_UPPER PARSE_DIGIT "_-") ||
        !text_only((struct text){t.p, 1}, PARSE_LOWER PARSE_UPPER))
        return -EBADMSG;
    return 0;
}

#define NAME_WANTED                                                            \
    "expected 'include NAME', a profile's name: 1 to 31 letters, digits, "     \
    "'_', '-', beginning with a letter"

int fw_item_parse_args(int argc, char *const argv[], uint64_t now_s,
                       struct fw_item *ret, const char **ret_why,
                       unsigned *ret_at)
{
    struct fw_item item = {0};
    struct rule_error why;

    if (argc > 0 && !strcmp(argv[0], FW_ITEM_WORD)) {
        if (argc != 2 || fw_profile_name(text_of(argv[1]))) {
            *ret_why = NAME_WANTED;
            *ret_at = argc > 1 ? 2 : 1;
            return -EBADMSG;
        }
        snprintf(item.include, sizeof(item.include), "%s", argv[1]);
    } else if (rule_parse_args(argc, argv, now_s, &item.rule, &why)) {
        *ret_why = why.reason;
        *ret_at = why.column;
        return -EBADMSG;
    }
    *ret = item;
    return 0;
}

/* One line that says something. */
static int take_line(struct text line, uint64_t now_s, struct fw_item *ret,
                     struct rule_error *why)
{
    static const char word[] = FW_ITEM_WORD " ";
    const size_t len = sizeof(word) - 1;

    if (line.len > len && !memcmp(line.p, word, len)) {
        struct text name = {line.p + len, line.len - len};

        if (fw_profile_name(name)) {
            *why = (struct rule_error){NAME_WANTED, (unsigned)len + 1};
            return -EBADMSG;
        }
        return text_copy(name, ret->include, sizeof(ret->include));
    }
    return rule_parse_line(line, now_s, &ret->rule, why);
}

static struct text without_blanks(struct text t)
{
    while (t.len && (t.p[t.len - 1] == ' ' || t.p[t.len - 1] == '\t' ||
                     t.p[t.len - 1] == '\r'))
        t.len--;
    return t;
}

int fw_items_parse(struct text untrusted_data, const char *file, uint64_t now_s,
                   struct fw_items *ret, struct problems *p)
{
    size_t before = problems_count(p);
    struct text rest = untrusted_data, line;
    unsigned at = 0;

    while (rest.p && parse_split(&rest, '\n', &line)) {
        struct fw_item item = {.line = ++at};
        struct rule_error why = {0};
        int r;

        line = without_blanks(line);
        if (!line.len || line.p[0] == '#')
            continue;
        if (take_line(line, now_s, &item, &why)) {
            problems_add_at(p, file, at, why.column, "'%.*s': %s",
                            line.len > 80 ? 80 : (int)line.len, line.p,
                            why.reason);
            continue;
        }
        r = fw_items_insert(ret, ret->n, &item);
        if (r == -ENOBUFS) {
            problems_add(p, file, at, "more than %d lines; expected fewer",
                         FW_ITEMS_MAX);
            break;
        }
        if (r)
            return r;
    }
    return problems_count(p) > before ? -EBADMSG : 0;
}
