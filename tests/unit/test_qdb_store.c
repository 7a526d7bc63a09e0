/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QubesDB store: order, limits, queues of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "qubesdb/qdb_store.h"

static const struct qdb_limits limits[QDB_OWNERS] = {
    [QDB_OWNER_DOM0] = {6, 1000}, [QDB_OWNER_VM] = {3, 300}};

static int setup(void **state)
{
    return qdb_store_new(limits, (struct qdb_store **)state);
}

static int teardown(void **state)
{
    qdb_store_free(*state);
    return 0;
}

static void put(struct qdb_store *s, const char *path, const char *val)
{
    assert_int_equal(
        qdb_store_set(s, path, val, strlen(val), QDB_OWNER_DOM0, NULL), 0);
}

static void want_head(struct qdb_store *s, unsigned q, const char *path,
                      bool dead)
{
    const struct qdb_entry *e = qdb_store_head(s, q);

    if (!path) {
        assert_null(e);
        return;
    }
    assert_non_null(e);
    assert_string_equal(e->path, path);
    assert_int_equal(e->dead, dead);
}

static void test_order(void **state)
{
    struct qdb_store *s = *state;
    static const char *const in[] = {"/b", "/a/2", "/a", "/c", "/a/1"};
    static const char *const sorted[] = {"/a", "/a/1", "/a/2", "/b", "/c"};
    const struct qdb_entry *e = NULL;

    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        put(s, in[i], "v");
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        e = qdb_store_next(s, "", e ? e->path : NULL);
        assert_string_equal(e->path, sorted[i]);
    }
    assert_null(qdb_store_next(s, "", e->path));
    e = NULL;
    for (size_t i = ARRAY_LEN(sorted); i-- > 0;) {
        e = qdb_store_prev(s, e ? e->path : NULL);
        assert_string_equal(e->path, sorted[i]);
    }
    assert_null(qdb_store_prev(s, e->path));
    assert_string_equal(qdb_store_next(s, "/a/", NULL)->path, "/a/1");
    assert_string_equal(qdb_store_next(s, "/a/", "/a/1")->path, "/a/2");
    assert_null(qdb_store_next(s, "/a/", "/a/2"));
    assert_string_equal(qdb_store_next(s, "/a", NULL)->path, "/a");
    /* going on from an entry that is no more */
    assert_int_equal(qdb_store_rm(s, "/a/1"), 0);
    assert_string_equal(qdb_store_next(s, "/a/", "/a/1")->path, "/a/2");
    assert_int_equal(qdb_store_rm(s, "/a/1"), -ENOENT);
}

static void test_limits(void **state)
{
    struct qdb_store *s = *state;
    char big[300] = {0};

    memset(big, 'x', sizeof(big) - 1);
    for (int i = 0; i < 3; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/%d", i);
        assert_int_equal(qdb_store_set(s, path, "v", 1, QDB_OWNER_VM, NULL), 0);
    }
    assert_int_equal(qdb_store_set(s, "/3", "v", 1, QDB_OWNER_VM, NULL),
                     -ENOSPC);
    assert_null(qdb_store_find(s, "/3"));
    /* 3 * 65 = 195 used of 300: a value of 105 more fits, 106 does not */
    assert_int_equal(qdb_store_set(s, "/0", big, 107, QDB_OWNER_VM, NULL),
                     -EDQUOT);
    assert_int_equal(qdb_store_find(s, "/0")->len, 1);
    assert_int_equal(qdb_store_set(s, "/0", big, 106, QDB_OWNER_VM, NULL), 0);
    /* the other owner has a share of its own, and takes one over */
    assert_int_equal(qdb_store_set(s, "/0", "d", 1, QDB_OWNER_DOM0, NULL), 0);
    assert_int_equal(qdb_store_count(s, QDB_OWNER_VM), 2);
    assert_int_equal(qdb_store_count(s, QDB_OWNER_DOM0), 1);
    assert_int_equal(qdb_store_set(s, "/3", "v", 1, QDB_OWNER_VM, NULL), 0);
    assert_int_equal(qdb_store_rm(s, "/3"), 0);
    assert_int_equal(qdb_store_set(s, "/4", NULL, 0, QDB_OWNER_VM, NULL), 0);
    assert_null(qdb_store_find(s, "/4")->value);
}

static void test_queue_last_wins(void **state)
{
    struct qdb_store *s = *state;

    put(s, "/a", "1");
    qdb_store_queue(s, 0, "/a");
    put(s, "/s", "");
    qdb_store_queue(s, 0, "/s");
    put(s, "/a", "2");
    qdb_store_queue(s, 0, "/a"); /* to the end */
    want_head(s, 0, "/s", false);
    qdb_store_pop(s, 0);
    want_head(s, 0, "/a", false);
    assert_memory_equal(qdb_store_head(s, 0)->value, "2", 1);
    qdb_store_pop(s, 0);
    want_head(s, 0, NULL, false);
    assert_int_equal(qdb_store_find(s, "/a")->known, 1);
    qdb_store_queue(s, 0, "/none");
    want_head(s, 0, NULL, false);
}

static void test_removed(void **state)
{
    struct qdb_store *s = *state;

    /* never told: nothing to tell */
    put(s, "/new", "1");
    qdb_store_queue(s, 0, "/new");
    assert_int_equal(qdb_store_rm(s, "/new"), 0);
    want_head(s, 0, NULL, false);
    assert_int_equal(qdb_store_count(s, QDB_OWNER_DOM0), 0);
    /* told: dead until told again, by both queues */
    put(s, "/k", "1");
    qdb_store_known(s, 0, "/k", true);
    qdb_store_known(s, 1, "/k", true);
    assert_int_equal(qdb_store_rm(s, "/k"), 0);
    assert_null(qdb_store_find(s, "/k"));
    assert_null(qdb_store_next(s, "", NULL));
    assert_int_equal(qdb_store_dead(s), 1);
    want_head(s, 0, "/k", true);
    want_head(s, 1, "/k", true);
    qdb_store_pop(s, 0);
    assert_int_equal(qdb_store_dead(s), 1);
    qdb_store_pop(s, 1);
    assert_int_equal(qdb_store_dead(s), 0);
    assert_int_equal(qdb_store_count(s, QDB_OWNER_DOM0), 0);
}

static void test_revived(void **state)
{
    struct qdb_store *s = *state;

    put(s, "/k", "1");
    qdb_store_known(s, 0, "/k", true);
    qdb_store_rm(s, "/k");
    put(s, "/k", "2");
    assert_int_equal(qdb_store_dead(s), 0);
    qdb_store_queue(s, 0, "/k");
    want_head(s, 0, "/k", false);
    qdb_store_pop(s, 0);
    /* the far side removed it as well: nobody to tell */
    qdb_store_rm(s, "/k");
    qdb_store_known(s, 0, "/k", false);
    want_head(s, 0, NULL, false);
    assert_int_equal(qdb_store_count(s, QDB_OWNER_DOM0), 0);
}

static void test_told(void **state)
{
    struct qdb_store *s = *state;

    put(s, "/k", "1");
    qdb_store_queue(s, 0, "/k");
    qdb_store_told(s, 0, "/k");
    want_head(s, 0, "/k", false);
    assert_int_equal(qdb_store_find(s, "/k")->known, 1);
}

/* Many random changes: the order and the counts hold. */
static void test_random(void **state)
{
    struct qdb_store *s = NULL;
    const struct qdb_limits wide[QDB_OWNERS] = {{5000, 1 << 20},
                                                {5000, 1 << 20}};
    bool there[200] = {0};
    uint32_t seed = 1, n = 0;

    (void)state;
    assert_int_equal(qdb_store_new(wide, &s), 0);
    for (int i = 0; i < 20000; i++) {
        char path[16];
        seed = seed * 1103515245u + 12345u;
        unsigned k = seed >> 16 & 0xff;
        if (k >= 200)
            continue;
        snprintf(path, sizeof(path), "/%u", k);
        if (seed >> 28 & 1) {
            put(s, path, "value");
            there[k] = true;
            if (seed >> 29 & 1)
                qdb_store_queue(s, 0, path);
        } else {
            assert_int_equal(qdb_store_rm(s, path), there[k] ? 0 : -ENOENT);
            there[k] = false;
        }
        if (seed >> 30 & 1)
            qdb_store_pop(s, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(there); i++)
        n += there[i];
    assert_int_equal(qdb_store_count(s, QDB_OWNER_DOM0), n + qdb_store_dead(s));
    const struct qdb_entry *e = NULL, *last = NULL;
    while ((e = qdb_store_next(s, "", e ? e->path : NULL))) {
        assert_true(!last || strcmp(last->path, e->path) < 0);
        assert_true(there[atoi(e->path + 1)]);
        last = e;
        n--;
    }
    assert_int_equal(n, 0);
    qdb_store_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_order),
        T(test_limits),
        T(test_queue_last_wins),
        T(test_removed),
        T(test_revived),
        T(test_told),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
