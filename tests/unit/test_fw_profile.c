/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of fw_items.c, fw_profile.c and the numbers of keys in
 * keys_firewall.c: lists as text, includes, and that any list is the same
 * text after it was read and written (random lists, printed seed; set
 * RULE_SEED to run one again). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dom0/fw_profile.h"
#include "dom0/keys.h"
#include "dom0/section.h"
#include "lib/err.h"
#include "lib/mem.h"

#define ROUNDS 2000

static const char HEAD[] = "[Qube]\nKind=qube\nImage=testqube\nNetVM=fw\n";

static struct config_qube *qube_of(struct config *c, const char *firewall,
                                   struct problems *p)
{
    struct config_qube *q;
    char text[4096];

    config_daemon_defaults(&c->d);
    snprintf(text, sizeof(text), "%s[Firewall]\n%s", HEAD, firewall);
    assert_int_equal(
        config_parse_qube(text_of(text), "q.conf", "q", &c->d, &q, p), 0);
    assert_int_equal(config_add(c, q), 0);
    return q;
}

static void add_profile(struct config *c, const char *name, const char *text,
                        struct problems *p)
{
    char file[64];

    snprintf(file, sizeof(file), "%s.rules", name);
    assert_int_equal(fw_profile_add(c, text_of(text), file, name, p), 0);
}

static void drop_all(struct config *c, struct problems *p)
{
    config_free(c);
    problems_free(p);
}

/* What is wrong in a list file, and where. */
static void test_errors(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column; /* 0: no error */
        const char *want;
    } rows[] = {
        {"accept\n\n# a comment\ndrop\n", 0, 0, NULL},
        {"accept\r\n", 0, 0, NULL},
        {"accept", 0, 0, NULL},
        {"", 0, 0, NULL},
        {"include web\ninclude a-b_9\n", 0, 0, NULL},
        {"accept\naccept 1.2.3.4 tcp 70000\n", 2, 20, "0 to 65535"},
        {"accept\n\naccept colour=red\n", 3, 8, "expected action, dst4"},
        {" accept\n", 1, 1, "double space"},
        {"include 9web\n", 1, 9, "beginning with a letter"},
        {"include web more\n", 1, 9, "beginning with a letter"},
        {"include \n", 1, 1, "accept or drop"},
        {"accept expire=+1\n", 1, 8, "expire is"},
        {"a\xff\n", 1, 2, "printable"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fw_items l = {0};
        struct problems p = {0};
        int r = fw_items_parse(text_of(rows[i].text), "f", 0, &l, &p);

        assert_int_equal(r, rows[i].line ? -EBADMSG : 0);
        assert_int_equal(p.n, rows[i].line ? 1 : 0);
        if (p.n) {
            assert_int_equal(p.v[0].line, rows[i].line);
            assert_int_equal(p.v[0].column, rows[i].column);
            if (!strstr(p.v[0].text, rows[i].want))
                fail_msg("'%s' has no '%s'", p.v[0].text, rows[i].want);
        }
        fw_items_free(&l);
        problems_free(&p);
    }
}

static void test_expand(void **state)
{
    struct config c = {0};
    struct problems p = {0};
    struct config_qube *q =
        qube_of(&c,
                "Include=a\nRule=drop proto=udp\nInclude=b\nInclude=none\n"
                "Rule=drop\n",
                &p);
    struct fw_items items = {0};
    size_t *from = NULL;
    char *text;

    (void)state;
    add_profile(&c, "a", "accept 1.1.1.1\ninclude b\n", &p);
    add_profile(&c, "b", "# two\naccept 2.2.2.2\naccept dstports=1,3\n", &p);
    add_profile(&c, "none", "# nothing\n", &p);
    assert_int_equal(fw_profile_expand(&c, &p), 0);
    assert_int_equal(problems_count(&p), 0);
    assert_int_equal(q->n_rules, 7);
    assert_string_equal(q->rules[0].from->name, "a");
    assert_string_equal(q->rules[2].from->name, "b");
    assert_int_equal(q->rules[2].line, 3);
    assert_null(q->rules[3].from);
    assert_int_equal(fw_profile_items(q, &items, &from), 0);
    text = fw_items_format(&items);
    assert_string_equal(text, "include a\naction=drop proto=udp\ninclude b\n"
                              "include none\naction=drop\n");
    assert_int_equal(from[0], 0);
    assert_int_equal(from[1], 3);
    assert_int_equal(from[2], 4);
    assert_int_equal(from[3], 6);
    assert_int_equal(from[4], 6);
    assert_int_equal(from[5], 7);
    free(text);
    free(from);
    fw_items_free(&items);
    drop_all(&c, &p);
}

static void refused(const char *firewall, const char *a, const char *b,
                    const char *file, unsigned line, const char *want)
{
    struct config c = {0};
    struct problems p = {0};

    (void)qube_of(&c, firewall, &p);
    if (a)
        add_profile(&c, "a", a, &p);
    if (b)
        add_profile(&c, "b", b, &p);
    assert_int_equal(fw_profile_expand(&c, &p), 0);
    assert_true(problems_count(&p) > 0);
    assert_string_equal(p.v[0].file, file);
    assert_int_equal(p.v[0].line, line);
    if (!strstr(p.v[0].text, want))
        fail_msg("'%s' has no '%s'", p.v[0].text, want);
    drop_all(&c, &p);
}

static void test_refused(void **state)
{
    (void)state;
    refused("Rule=drop\nInclude=a\n", NULL, NULL, "q.conf", 7, "no profile a");
    refused("Include=c\n", "drop\n", "drop\n", "q.conf", 6,
            "expected one of: a, b");
    refused("Include=a\n", "drop\ninclude b\n", NULL, "a.rules", 2,
            "no profile b");
    refused("Include=a\n", "include a\n", NULL, "a.rules", 1,
            "includes itself");
    /* a loop that no qube is in */
    refused("Rule=drop\n", "drop\ninclude b\n", "\n\ninclude a\n", "b.rules", 3,
            "includes itself");
}

static void test_too_long(void **state)
{
    struct config c = {0};
    struct problems p = {0};
    struct fw_items items = {0};
    struct fw_item one = {.include = "a"};
    struct config_qube *q = qube_of(&c, "Include=a\nInclude=a\n", &p);
    char *text = calloc(1, 64 * 2001);
    size_t keys, n = 0;

    (void)state;
    for (int i = 0; i < 2000; i++)
        n += (size_t)sprintf(text + n, "drop proto=tcp dstports=%d\n", i + 1);
    add_profile(&c, "a", text, &p);
    assert_int_equal(fw_profile_expand(&c, &p), 0);
    assert_int_equal(problems_count(&p), 0);
    assert_int_equal(q->n_rules, 4000);
    assert_int_equal(fw_items_insert(&items, 0, &one), 0);
    assert_int_equal(fw_items_insert(&items, 0, &one), 0);
    assert_int_equal(fw_profile_try(&c, &items, "f", &keys, &p), 0);
    assert_int_equal(keys, 4000);
    assert_int_equal(
        fw_items_parse(text_of("drop dstports=1,3\n"), "f", 0, &items, &p), 0);
    assert_int_equal(fw_profile_try(&c, &items, "f", &keys, &p), -EBADMSG);
    assert_non_null(strstr(p.v[0].text, "too long"));
    assert_int_equal(p.v[0].line, 1);
    fw_items_free(&items);
    free(text);
    drop_all(&c, &p);
}

/* ---- any list ---- */

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static size_t random_line(char *dst, size_t cap)
{
    static const char *const kinds[] = {"accept",
                                        "drop 10.0.0.0/8",
                                        "accept proto=udp",
                                        "drop dst6=2001:db8::/32 proto=tcp",
                                        "accept specialtarget=dns",
                                        "accept proto=icmp icmptype=echo-reply",
                                        "drop a.example.org"};
    size_t n;

    if (rnd(6) == 0)
        return (size_t)snprintf(dst, cap, "include p%u\n", rnd(3));
    if (rnd(6) == 0)
        return (size_t)snprintf(dst, cap, "# %u\n", rnd(9));
    n = (size_t)snprintf(dst, cap, "%s", kinds[rnd(ARRAY_LEN(kinds))]);
    if (!strstr(dst, "icmp") && !strstr(dst, "dns"))
        for (uint32_t i = 0, k = rnd(5); i < k; i++)
            n += (size_t)snprintf(dst + n, cap - n, "%s%u-%u",
                                  i ? "," : " dstports=", rnd(900),
                                  900 + rnd(9000));
    if (rnd(3) == 0)
        n += (size_t)snprintf(dst + n, cap - n, " expire=%u", rnd(99999));
    return n + (size_t)snprintf(dst + n, cap - n, "%s\n",
                                rnd(3) ? "" : " comment=a, b");
}

/* Text to items to text to items; and through a qube's file. */
static void one_list(void)
{
    struct fw_items a = {0}, b = {0}, stored = {0};
    struct problems p = {0};
    struct config c = {0};
    struct config_qube *q;
    char text[4096] = "", *first, *second, *file;
    size_t n = 0;

    for (uint32_t i = 0, k = rnd(20); i < k; i++)
        n += random_line(text + n, sizeof(text) - n);
    if (fw_items_parse(text_of(text), "f", 0, &a, &p))
        fail_msg("%s: %s", text, p.v[0].text);
    first = fw_items_format(&a);
    assert_int_equal(fw_items_parse(text_of(first), "f", 0, &b, &p), 0);
    assert_true(fw_items_eq(&a, &b));
    second = fw_items_format(&b);
    assert_string_equal(first, second);
    config_daemon_defaults(&c.d);
    assert_int_equal(section_rewrite(text_of(HEAD), &a, &file, NULL), 0);
    assert_int_equal(config_parse_qube(text_of(file), "f", "q", &c.d, &q, &p),
                     0);
    assert_int_equal(config_add(&c, q), 0);
    for (int i = 0; i < 3; i++)
        add_profile(&c, (const char *const[]){"p0", "p1", "p2"}[i],
                    i ? "drop 1.1.1.1\naccept\n" : "# empty\n", &p);
    assert_int_equal(fw_profile_expand(&c, &p), 0);
    assert_int_equal(problems_count(&p), 0);
    assert_int_equal(fw_profile_items(q, &stored, NULL), 0);
    assert_true(fw_items_eq(&a, &stored));
    free(first);
    free(second);
    free(file);
    fw_items_free(&a);
    fw_items_free(&b);
    fw_items_free(&stored);
    drop_all(&c, &p);
}

static void test_any_list(void **state)
{
    const char *given = getenv("RULE_SEED");
    uint64_t seed =
        given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;

    (void)state;
    random_state = seed | 1;
    print_message("RULE_SEED=%" PRIu64 "\n", seed);
    for (int i = 0; i < ROUNDS; i++)
        one_list();
}

/* Places, and the bound. */
static void test_items(void **state)
{
    struct fw_items l = {0};
    struct fw_item a = {.rule = {.m = {.action = FW_ACCEPT}}},
                   d = {.rule = {.m = {.action = FW_DROP}}},
                   i = {.include = "x"};

    (void)state;
    assert_int_equal(fw_items_del(&l, 0), -ERANGE);
    assert_int_equal(fw_items_insert(&l, 1, &a), -ERANGE);
    assert_int_equal(fw_items_insert(&l, 0, &a), 0);
    assert_int_equal(fw_items_insert(&l, 1, &d), 0);
    assert_int_equal(fw_items_insert(&l, 1, &i), 0);
    assert_true(fw_item_eq(&l.v[0], &a));
    assert_true(fw_item_eq(&l.v[1], &i));
    assert_true(fw_item_eq(&l.v[2], &d));
    assert_false(fw_item_eq(&l.v[0], &d));
    assert_int_equal(fw_items_del(&l, 0), 0);
    assert_true(fw_item_eq(&l.v[0], &i));
    while (l.n < FW_ITEMS_MAX)
        assert_int_equal(fw_items_insert(&l, 0, &a), 0);
    assert_int_equal(fw_items_insert(&l, l.n, &a), -ENOBUFS);
    assert_int_equal(l.n, FW_ITEMS_MAX);
    assert_true(fw_item_eq(&l.v[l.n - 1], &d));
    fw_items_free(&l);
    assert_int_equal(l.n, 0);
    fw_items_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),    cmocka_unit_test(test_errors),
        cmocka_unit_test(test_expand),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_any_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
