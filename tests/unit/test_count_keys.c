/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/count_keys.c: which counter keys have to be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "firewallvm/count_keys.h"
#include "lib/err.h"

static void test_texts(void **state)
{
    struct count_texts *t = malloc(sizeof(*t));
    struct fw_count v[600] = {{0}};
    struct fw_totals totals = {1, 2, 3, 4, 5};
    size_t seen = 0;

    (void)state;
    assert_non_null(t);
    count_texts_make(&totals, v, 0, t);
    assert_int_equal(t->n, 1);
    assert_string_equal(t->text[0], "passed 1 2 blocked 3 4 flows 5");
    for (size_t i = 0; i < 600; i++) {
        v[i].number = (uint16_t)i;
        v[i].bytes = 1000000 + i;
    }
    count_texts_make(&totals, v, 513, t);
    for (size_t i = 1; i < t->n; i++) {
        struct fw_count got[FW_COUNTS_OF_TEXT];
        size_t n;

        assert_int_equal(fw_counts_parse(text_of(t->text[i]), got, &n), 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(got[k].number, seen++);
    }
    assert_int_equal(seen, 513);
    /* counters of many digits: what has no key left is left out */
    for (size_t i = 0; i < 600; i++)
        v[i].packets = v[i].bytes = UINT64_MAX;
    count_texts_make(&totals, v, 600, t);
    assert_int_equal(t->n, COUNT_CHUNKS_MAX + 1);
    free(t);
}

static void test_memory(void **state)
{
    struct ipaddr a[300] = {{0}};
    struct count_keys *k;

    (void)state;
    assert_int_equal(count_keys_new(&k), 0);
    for (unsigned i = 0; i < 300; i++) {
        a[i].family = 2;
        a[i].b[2] = (uint8_t)(i >> 8);
        a[i].b[3] = (uint8_t)i;
        assert_false(count_keys_is(k, &a[i], 0, "one"));
        assert_int_equal(count_keys_wrote(k, &a[i], 0, "one"), 0);
        assert_int_equal(count_keys_wrote(k, &a[i], 3, "two"), 0);
    }
    assert_int_equal(count_keys_n(k, &a[7]), 4);
    assert_true(count_keys_is(k, &a[7], 0, "one"));
    assert_true(count_keys_is(k, &a[299], 3, "two"));
    assert_false(count_keys_is(k, &a[7], 0, "two"));
    assert_false(count_keys_is(k, &a[7], 4, "two"));
    count_keys_cut(k, &a[7], 3);
    assert_int_equal(count_keys_n(k, &a[7]), 3);
    assert_false(count_keys_is(k, &a[7], 3, "two"));
    count_keys_cut(k, &a[7], 3);
    count_keys_cut(k, &a[7], 9);
    assert_int_equal(count_keys_n(k, &a[7]), 3);
    count_keys_cut(k, &a[7], 0);
    count_keys_cut(k, &a[7], 0);
    assert_int_equal(count_keys_n(k, &a[7]), 0);
    assert_true(count_keys_is(k, &a[299], 0, "one"));
    count_keys_free(k);
    count_keys_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
