/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/rule_source.c and source_set.c: keys to a list, key
 * paths to work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "firewallvm/rule_source.h"
#include "firewallvm/source_set.h"
#include "lib/mem.h"
#include "rules/rule_format.h"

#define KEYS_MAX 6

static const struct {
    const char *keys[KEYS_MAX][2];
    const char *status;
    const char *order; /* numbers, as kept */
    uint8_t family;    /* 0: IPv4 */
} LISTS[] = {
    {{{"policy", "drop"}}, "applied 0", "", 0},
    {{{"policy", "accept"}, {"0000", "action=drop"}}, "applied 1", "0 ", 0},
    {{{"0000", "action=drop"}, {"policy", "drop"}}, "applied 1", "0 ", 0},
    {{{"policy", "drop"},
      {"0003", "action=drop"},
      {"9999", "action=accept"},
      {"0100", "action=accept"},
      {"0000", "action=accept"}},
     "applied 4",
     "0 3 100 9999 ",
     0},
    {{{"policy", "drop"}, {"0002", "action=accept dsthost=a.b"}},
     "applied 1",
     "2 ",
     0},
    {{{"policy", "drop"},
      {"0007", "action=accept dsthost=a.b"},
      {"0005", "action=drop dsthost=a.b"}},
     "applied 2",
     "5 7 ",
     0},
    {{{"policy", "drop"}, {"0000", "action=accept dst6=::1/128"}},
     "applied 1",
     "0 ",
     AF_INET6},
    /* ended: checked, left out */
    {{{"policy", "drop"},
      {"0000", "action=accept expire=1000"},
      {"0001", "action=accept expire=1001 proto=tcp"},
      {"0002", "action=drop expire=999 dsthost=a.b"}},
     "applied 1",
     "1 ",
     0},
    {{{"policy", "drop"}, {"0000", "action=accept expire=999 dst6=::1"}},
     "blocked 0000: an address of the other family",
     NULL,
     0},
    /* blocked */
    {{{NULL, NULL}}, "blocked policy: no policy", "", 0},
    {{{"0000", "action=accept"}}, "blocked policy: no policy", NULL, 0},
    {{{"policy", ""}}, "blocked policy: policy is accept or drop", NULL, 0},
    {{{"policy", "Drop"}}, "blocked policy: policy is accept or drop", NULL, 0},
    {{{"policy", "drop"}, {"0000", ""}},
     "blocked 0000: an empty line",
     NULL,
     0},
    {{{"policy", "drop"}, {"000", "action=drop"}},
     "blocked 000: not a rule number",
     NULL,
     0},
    {{{"policy", "drop"}, {"00000", "action=drop"}},
     "blocked 00000: not a rule number",
     NULL,
     0},
    {{{"policy", "drop"}, {"", "action=drop"}},
     "blocked : not a rule number",
     NULL,
     0},
    {{{"policy", "drop"}, {"0000/1", "action=drop"}},
     "blocked 0000/1: not a rule number",
     NULL,
     0},
    {{{"policy", "drop"}, {"a-very-long-key-of-a-list", "x"}},
     "blocked a-very-long-key: not a rule number",
     NULL,
     0},
    {{{"policy", "drop"},
      {"0000", "action=accept"},
      {"0001", "action=accept dst6=::1/128"}},
     "blocked 0001: an address of the other family",
     NULL,
     0},
    {{{"policy", "drop"}, {"0000", "action=accept dst4=1.1.1.1/32"}},
     "blocked 0000: an address of the other family",
     NULL,
     AF_INET6},
    {{{"policy", "drop"}, {"0001", "x"}, {"0000", "y"}},
     "blocked 0001: a word without '='",
     NULL,
     0},
    {{{"policy", "maybe"}, {"0000", "y"}},
     "blocked policy: policy is accept or drop",
     NULL,
     0},
};

static void test_lists(void **state)
{
    char status[RULE_SOURCE_STATUS_MAX], order[200];
    size_t i, j;

    (void)state;
    for (i = 0; i < ARRAY_LEN(LISTS); i++) {
        struct rule_source s;

        rule_source_init(&s, LISTS[i].family ? LISTS[i].family : AF_INET, 1000);
        for (j = 0; j < KEYS_MAX && LISTS[i].keys[j][0]; j++)
            assert_int_equal(rule_source_add(&s, text_of(LISTS[i].keys[j][0]),
                                             text_of(LISTS[i].keys[j][1])),
                             0);
        rule_source_finish(&s);
        assert_string_equal(rule_source_status(&s, -1, status), LISTS[i].status);
        order[0] = '\0';
        for (j = 0; j < s.n; j++)
            snprintf(order + strlen(order), sizeof(order) - strlen(order),
                     "%u ", s.v[j].number);
        if (LISTS[i].order)
            assert_string_equal(order, LISTS[i].order);
        rule_source_free(&s);
    }
}

/* Every number, backwards: kept in order; one more is too many. */
static void test_many(void **state)
{
    char status[RULE_SOURCE_STATUS_MAX], key[16];
    struct rule_source s;
    unsigned i;

    (void)state;
    rule_source_init(&s, AF_INET, 0);
    rule_source_add(&s, text_of("policy"), text_of("drop"));
    for (i = 0; i < FW_RULES_MAX; i++) {
        snprintf(key, sizeof(key), "%04u", FW_NUMBER_MAX - i);
        rule_source_add(&s, text_of(key), text_of("action=accept"));
    }
    rule_source_finish(&s);
    assert_string_equal(rule_source_status(&s, -1, status), "applied 4096");
    for (i = 1; i < s.n; i++)
        assert_true(s.v[i - 1].number < s.v[i].number);
    rule_source_add(&s, text_of("0000"), text_of("action=accept"));
    assert_string_equal(rule_source_status(&s, -1, status),
                        "blocked 0000: too many rules");
    rule_source_free(&s);
    rule_source_free(&s);
}

/* ---- which source is to be read ---- */
#define P SOURCE_PREFIX

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        const char *source; /* NULL: none */
        bool dirty, flux;
    } rows[] = {
        {P "10.137.0.5", "10.137.0.5", true, false},
        {P "10.137.0.5/policy", "10.137.0.5", false, true},
        {P "10.137.0.5/0000", "10.137.0.5", false, true},
        {P "10.137.0.5/", "10.137.0.5", false, true},
        {P "fd09::5", "fd09::5", true, false},
        {P "fd09::5/0000", "fd09::5", false, true},
        {P, NULL, false, false},
        {P "/", NULL, false, false},
        {"/qubes-firewall", NULL, false, false},
        {"/qubes-firewall-handled/10.137.0.5", NULL, false, false},
        {"", NULL, false, false},
        {P "10.137.0.500", NULL, false, false},
        {P "10.137.0.05", NULL, false, false},
        {P "FD09::5", NULL, false, false},
        {P "fd09:0::5", NULL, false, false},
        {P "10.137.0.5 ", NULL, false, false},
        {P "x", NULL, false, false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct source_set *set = calloc(1, sizeof(*set));
        struct source *s = source_set_event(set, rows[i].path, 1000);

        assert_int_equal(s != NULL, rows[i].source != NULL);
        assert_int_equal(set->n, s != NULL);
        if (s) {
            assert_string_equal(s->text, rows[i].source);
            assert_int_equal(s->dirty, rows[i].dirty);
            assert_int_equal(s->flux, rows[i].flux);
        }
        free(set);
    }
}

static void test_turns(void **state)
{
    struct source_set *set = calloc(1, sizeof(*set));
    struct source *a, *b;

    (void)state;
    assert_non_null(set);
    assert_null(source_set_next(set, 0));
    assert_int_equal(source_set_wait_ms(set, 0), 0);
    /* Written, not yet signalled: nothing to do, for ever. */
    a = source_set_event(set, P "10.0.0.1/policy", 100);
    assert_null(source_set_next(set, 99999));
    assert_int_equal(source_set_wait_ms(set, 99999), 0);
    /* Signalled: now. */
    assert_ptr_equal(source_set_event(set, P "10.0.0.1", 101), a);
    assert_ptr_equal(source_set_next(set, 101), a);
    assert_int_equal(source_set_wait_ms(set, 101), 1);
    /* Written again before it was read: wait for the next signal, but not
     * for ever. */
    source_set_event(set, P "10.0.0.1/", 200);
    source_set_event(set, P "10.0.0.1/0000", 300);
    assert_null(source_set_next(set, 301));
    assert_int_equal(source_set_wait_ms(set, 301), SOURCE_FLUX_MS - 101);
    assert_ptr_equal(source_set_next(set, 200 + SOURCE_FLUX_MS), a);
    /* Another source is not held up by it. */
    b = source_set_event(set, P "10.0.0.2", 301);
    assert_ptr_equal(source_set_next(set, 301), b);
    source_set_event(set, P "10.0.0.1", 302);
    assert_ptr_equal(source_set_next(set, 302), a);
    source_set_del(set, a);
    assert_int_equal(set->n, 1);
    assert_string_equal(source_set_next(set, 302)->text, "10.0.0.2");
    free(set);
}

/* ---- time ---- */
static void test_expire(void **state)
{
    static const struct {
        uint64_t now_s;
        const char *rules[3];
        size_t n;
        bool timed;
        uint64_t next_s;
    } rows[] = {
        {5, {"action=drop", "action=accept", NULL}, 2, false, 0},
        {5, {"action=drop expire=6", "action=accept", NULL}, 2, true, 6},
        {6, {"action=drop expire=6", "action=accept", NULL}, 1, true, 0},
        {7, {"action=drop expire=6", "action=accept", NULL}, 1, true, 0},
        {5,
         {"action=drop expire=9", "action=drop expire=7",
          "action=accept expire=8"},
         3,
         true,
         7},
        {7,
         {"action=drop expire=9", "action=drop expire=7",
          "action=accept expire=8"},
         2,
         true,
         8},
        {0, {"action=accept expire=0", NULL, NULL}, 0, true, 0},
        {FW_EXPIRE_MAX - 1,
         {"action=accept expire=99999999999", NULL, NULL},
         1,
         true,
         FW_EXPIRE_MAX},
    };
    size_t i, k;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct rule_source s;
        char key[8];

        rule_source_init(&s, AF_INET, rows[i].now_s);
        rule_source_add(&s, text_of("policy"), text_of("drop"));
        for (k = 0; k < 3 && rows[i].rules[k]; k++) {
            snprintf(key, sizeof(key), "%04zu", k);
            rule_source_add(&s, text_of(key), text_of(rows[i].rules[k]));
        }
        rule_source_finish(&s);
        assert_null(s.reason);
        assert_int_equal(s.n, rows[i].n);
        assert_int_equal(s.timed, rows[i].timed);
        assert_int_equal(s.next_expire_s, rows[i].next_s);
        rule_source_free(&s);
    }
}

static struct source *timed(struct source_set *set, const char *path,
                            uint64_t expire_s)
{
    struct source *s = source_set_event(set, path, 0);

    s->dirty = false;
    s->known = true;
    s->timed = true;
    s->expire_s = expire_s;
    return s;
}

static void test_lapse(void **state)
{
    struct source_set *set = calloc(1, sizeof(*set));
    struct source *a, *b, *c;

    (void)state;
    assert_non_null(set);
    assert_int_equal(source_set_expire(set), 0);
    source_set_event(set, P "10.0.0.9", 0)->dirty = false;
    source_set_lapse(set, UINT64_MAX, true);
    assert_int_equal(source_set_expire(set), 0);
    a = timed(set, P "10.0.0.1", 200);
    b = timed(set, P "10.0.0.2", 100);
    c = timed(set, P "10.0.0.3", 0); /* all its rules have ended */
    assert_int_equal(source_set_expire(set), 100);
    source_set_lapse(set, 99, false);
    assert_null(source_set_next(set, 0));
    source_set_lapse(set, 100, false);
    assert_ptr_equal(source_set_next(set, 0), b);
    assert_int_equal(source_set_wait_ms(set, 0), 1);
    assert_int_equal(source_set_expire(set), 200);
    b->lapsed = false;
    b->expire_s = 0;
    source_set_lapse(set, 200, false);
    assert_ptr_equal(source_set_next(set, 0), a);
    /* Being written: it waits as if dom0 had asked. */
    source_set_event(set, P "10.0.0.1/0000", 1000);
    assert_null(source_set_next(set, 1001));
    assert_ptr_equal(source_set_next(set, 1000 + SOURCE_FLUX_MS), a);
    a->lapsed = false;
    a->expire_s = 0;
    assert_int_equal(source_set_expire(set), SOURCE_EXPIRE_FAR);
    source_set_lapse(set, 50, true);
    assert_true(a->lapsed && b->lapsed && c->lapsed);
    free(set);
}

static void test_full(void **state)
{
    struct source_set *set = calloc(1, sizeof(*set));
    char path[64];
    unsigned i;

    (void)state;
    for (i = 0; i < SOURCES_MAX; i++) {
        snprintf(path, sizeof(path), P "10.0.%u.%u", i / 256, i % 256);
        assert_non_null(source_set_event(set, path, 0));
    }
    assert_null(source_set_event(set, P "10.9.9.9", 0));
    assert_non_null(source_set_event(set, P "10.0.0.7", 0));
    assert_int_equal(set->n, SOURCES_MAX);
    free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists), cmocka_unit_test(test_many),
        cmocka_unit_test(test_paths), cmocka_unit_test(test_turns),
        cmocka_unit_test(test_full),  cmocka_unit_test(test_expire),
        cmocka_unit_test(test_lapse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
