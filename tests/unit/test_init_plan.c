/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of init/svc_plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "init/svc_plan.h"
#include "lib/mem.h"

static struct svc_table table_of(const char *text)
{
    struct svc_table t;
    const char *why;
    unsigned line;

    assert_int_equal(
        svc_table_parse(text, strlen(text), SVC_XEN, &t, &line, &why), 0);
    return t;
}

static void expect(struct svc_plan *p, uint64_t now, enum svc_do what,
                   unsigned i, uint64_t until)
{
    struct svc_step s = svc_plan_next(p, now);

    assert_int_equal(s.what, what);
    if (what == SVC_DO_START || what == SVC_DO_TERM)
        assert_int_equal(s.i, i);
    if (what == SVC_DO_WAIT)
        assert_true(s.until_ms == until);
    if (what == SVC_DO_START)
        svc_plan_started(p, i, true, now);
}

static void test_order(void **state)
{
    struct svc_table t = table_of("a 0 0 - /a\nb+once 0 0 - /b\nc 0 0 - /c\n");
    struct svc_plan p;

    (void)state;
    svc_plan_init(&p, &t, 5);
    expect(&p, 5, SVC_DO_START, 0, 0);
    expect(&p, 5, SVC_DO_START, 1, 0);
    expect(&p, 5, SVC_DO_WAIT, 0, UINT64_MAX); /* c waits for b's end */
    svc_plan_ended(&p, 1, 50);
    assert_false(svc_plan_all_begun(&p));
    expect(&p, 50, SVC_DO_START, 2, 0);
    assert_true(svc_plan_all_begun(&p));
    expect(&p, 50, SVC_DO_WAIT, 0, UINT64_MAX);
    assert_int_equal(p.s[1].state, SVC_DONE);
    /* while b runs, a restarts all the same */
    svc_plan_init(&p, &t, 0);
    expect(&p, 0, SVC_DO_START, 0, 0);
    expect(&p, 0, SVC_DO_START, 1, 0);
    svc_plan_ended(&p, 0, 10);
    expect(&p, 10, SVC_DO_WAIT, 0, 110);
    assert_false(svc_plan_all_begun(&p));
    expect(&p, 110, SVC_DO_START, 0, 0);
}

static void test_backoff(void **state)
{
    static const struct {
        uint64_t alive_ms;
        uint64_t delay_ms;
    } ends[] = {{0, 100},   {5, 200},     {29999, 400}, {0, 800},
                {0, 1600},  {0, 3200},    {0, 6400},    {0, 10000},
                {0, 10000}, {30000, 100}, {0, 200},     {99999, 100}};
    struct svc_table t = table_of("a 0 0 - /a\n");
    struct svc_plan p;
    uint64_t now = 1000;

    (void)state;
    svc_plan_init(&p, &t, now);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        expect(&p, now, SVC_DO_START, 0, 0);
        now += ends[i].alive_ms;
        svc_plan_ended(&p, 0, now);
        expect(&p, now, SVC_DO_WAIT, 0, now + ends[i].delay_ms);
        now += ends[i].delay_ms;
    }
    assert_int_equal(p.s[0].restarts, ARRAY_LEN(ends));
}

static void test_not_started(void **state)
{
    struct svc_table t = table_of("a 0 0 - /a\n");
    struct svc_plan p;

    (void)state;
    svc_plan_init(&p, &t, 0);
    assert_int_equal(svc_plan_next(&p, 0).what, SVC_DO_START);
    svc_plan_started(&p, 0, false, 0);
    expect(&p, 0, SVC_DO_WAIT, 0, 100);
}

static void test_stop(void **state)
{
    struct svc_table t =
        table_of("a 0 0 - /a\nb 0 0 - /b\nc 0 0 - /c\nd 0 0 - /d\n");
    struct svc_plan p;

    (void)state;
    svc_plan_init(&p, &t, 0);
    for (unsigned i = 0; i < 4; i++)
        expect(&p, 0, SVC_DO_START, i, 0);
    svc_plan_ended(&p, 1, 10); /* b waits for its restart: never comes */
    svc_plan_stop(&p, 100);
    svc_plan_stop(&p, 2000); /* a second wish does not prolong */
    expect(&p, 100, SVC_DO_TERM, 3, 0);
    expect(&p, 100, SVC_DO_WAIT, 3, 1100);
    svc_plan_ended(&p, 3, 200);
    expect(&p, 200, SVC_DO_TERM, 2, 0);
    expect(&p, 200, SVC_DO_WAIT, 2, 1200);
    expect(&p, 1200, SVC_DO_TERM, 0, 0); /* c had its time; b is stopped */
    expect(&p, 1200, SVC_DO_WAIT, 0, 2200);
    svc_plan_ended(&p, 0, 1300);
    expect(&p, 1300, SVC_DO_HALT, 0, 0);
}

static void test_stop_limit(void **state)
{
    struct svc_table t =
        table_of("a 0 0 - /a\nb 0 0 - /b\nc 0 0 - /c\nd 0 0 - /d\n");
    struct svc_plan p;

    (void)state;
    svc_plan_init(&p, &t, 0);
    for (unsigned i = 0; i < 4; i++)
        expect(&p, 0, SVC_DO_START, i, 0);
    svc_plan_stop(&p, 0);
    for (unsigned k = 0; k < 3; k++) {
        expect(&p, 1000 * k, SVC_DO_TERM, 3 - k, 0);
        expect(&p, 1000 * k, SVC_DO_WAIT, 0, 1000 * (k + 1));
    }
    expect(&p, 3000, SVC_DO_HALT, 0, 0);
}

static void test_word(void **state)
{
    static const struct {
        const char *value;
        bool first;
        enum svc_end want;
        bool ack;
    } words[] = {
        {NULL, true, SVC_END_NONE, false},
        {NULL, false, SVC_END_NONE, false},
        {"", true, SVC_END_NONE, false},
        {"", false, SVC_END_POWEROFF, false},
        {"poweroff", true, SVC_END_POWEROFF, true},
        {"poweroff", false, SVC_END_POWEROFF, true},
        {"halt", false, SVC_END_HALT, true},
        {"reboot", false, SVC_END_REBOOT, true},
        {"suspend", false, SVC_END_NONE, false},
        {"poweroff ", false, SVC_END_NONE, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        bool ack = !words[i].ack;

        assert_int_equal(
            svc_plan_shutdown_word(words[i].value, words[i].first, &ack),
            words[i].want);
        assert_int_equal(ack, words[i].ack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_not_started), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_limit),  cmocka_unit_test(test_word)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
