/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/rules/fw_count.c: counters to text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/fw_count.h"

static void test_totals(void **state)
{
    static const struct fw_totals t = {1, 2, UINT64_MAX, 4, UINT32_MAX};
    static const char want[] =
        "passed 1 2 blocked 18446744073709551615 4 flows 4294967295";
    static const char *const bad[] = {
        "",
        "passed 1 2 blocked 3 4",
        "passed 1 2 blocked 3 4 flows",
        "passed 1 2 blocked 3 4 flows ",
        "passed 1 2 blocked 3 4 flows 5 ",
        "passed 1 2 blocked 3 4 flows 4294967296",
        "passed 1 18446744073709551616 blocked 3 4 flows 5",
        "passed  1 2 blocked 3 4 flows 5",
        "passed -1 2 blocked 3 4 flows 5",
        "blocked 1 2 passed 3 4 flows 5",
        "passed 1 2 blocked 3 4 flows 5 6",
    };
    char buf[FW_TOTALS_TEXT_MAX];
    struct fw_totals back;

    (void)state;
    assert_int_equal(fw_totals_format(&t, buf), (int)strlen(want));
    assert_string_equal(buf, want);
    assert_int_equal(fw_totals_parse(text_of(buf), &back), 0);
    assert_memory_equal(&back, &t, sizeof(t));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (fw_totals_parse(text_of(bad[i]), &back) != -EBADMSG)
            fail_msg("taken: '%s'", bad[i]);
    }
}

static void test_counts(void **state)
{
    static const struct fw_count v[] = {
        {0, 0, 0},
        {17, 3, 4000},
        {9999, UINT64_MAX, UINT64_MAX},
        {FW_COUNT_OF_POLICY, 5, 6},
    };
    char buf[FW_COUNTS_TEXT_MAX];
    struct fw_count back[FW_COUNTS_OF_TEXT];
    size_t n;

    (void)state;
    assert_int_equal(fw_counts_format(v, ARRAY_LEN(v), buf), ARRAY_LEN(v));
    assert_string_equal(buf, "0000:0:0 0017:3:4000 9999:18446744073709551615:"
                             "18446744073709551615 policy:5:6");
    assert_int_equal(fw_counts_parse(text_of(buf), back, &n), 0);
    assert_int_equal(n, ARRAY_LEN(v));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(back[i].number, v[i].number);
        assert_true(back[i].packets == v[i].packets &&
                    back[i].bytes == v[i].bytes);
    }
    assert_int_equal(fw_counts_format(v, 0, buf), 0);
    assert_int_equal(fw_counts_parse(text_of(buf), back, &n), 0);
    assert_int_equal(n, 0);
}

/* Whatever their size, texts fit a status value and none is lost. */
static void test_counts_cut(void **state)
{
    struct fw_count v[600], back[FW_COUNTS_OF_TEXT];
    char buf[FW_COUNTS_TEXT_MAX];
    size_t at = 0, n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        v[i].number = (uint16_t)i;
        v[i].packets = i % 3 ? i : UINT64_MAX >> (i % 60);
        v[i].bytes = i % 2 ? UINT64_MAX >> (i % 64) : 0;
    }
    while (at < ARRAY_LEN(v)) {
        size_t k = fw_counts_format(v + at, ARRAY_LEN(v) - at, buf);

        assert_true(k > 0 && strlen(buf) < FW_COUNTS_TEXT_MAX);
        assert_int_equal(fw_counts_parse(text_of(buf), back, &n), 0);
        assert_int_equal(n, k);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(back[i].number, v[at + i].number);
            assert_true(back[i].bytes == v[at + i].bytes);
        }
        at += k;
    }
}

static void test_counts_bad(void **state)
{
    static const char *const bad[] = {
        " ",         "0000:1:2 ",  "0000:1:2  0001:1:2",
        "0000:1",    "0000:1:2:3", "000:1:2",
        "00000:1:2", "policy",     "policies:1:2",
        "0000:+1:2", "0000:1:",    "65535:1:2",
    };
    struct fw_count back[FW_COUNTS_OF_TEXT];
    char many[FW_COUNTS_OF_TEXT * 10 + 32] = "";
    size_t n = 99;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (fw_counts_parse(text_of(bad[i]), back, &n) != -EBADMSG)
            fail_msg("taken: '%s'", bad[i]);
    }
    for (size_t i = 0; i <= FW_COUNTS_OF_TEXT; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s0000:1:2",
                 i ? " " : "");
    assert_int_equal(fw_counts_parse(text_of(many), back, &n), -ENOBUFS);
    assert_int_equal(n, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_counts_cut),
        cmocka_unit_test(test_counts_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
