/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A local client of the daemon, byte for byte: requests in, answers out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/err.h"
#include "qubesdb/qdb_local.h"

struct fixture {
    struct qdb_replica *rep;
    struct qdb_local *c, *ro;
};

static void on_changed(const char *path, void *arg)
{
    struct fixture *f = arg;

    if (f->c)
        qdb_local_changed(f->c, path);
}

/* A replica whose copy is complete, and two clients. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    size_t space;

    assert_non_null(f);
    assert_int_equal(qdb_replica_new(on_changed, f, &f->rep), 0);
    struct qdb_link *l = qdb_replica_link(f->rep);
    uint8_t *in = qdb_link_in(l, &space);
    qdb_hdr_encode(in, QDB_R_MULTIREAD, "", 0);
    qdb_link_in_done(l, QDB_HDR_BYTES);
    assert_int_equal(qdb_link_step(l), 1);
    assert_true(qdb_replica_synced(f->rep));
    assert_int_equal(qdb_local_new(f->rep, false, &f->c), 0);
    assert_int_equal(qdb_local_new(f->rep, true, &f->ro), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    qdb_local_free(f->c);
    qdb_local_free(f->ro);
    qdb_replica_free(f->rep);
    free(f);
    return 0;
}

static int ask(struct qdb_local *c, enum qdb_type type, const char *path,
               const char *val)
{
    size_t space, len = strlen(val);
    uint8_t *in = qdb_local_in(c, &space);

    assert_true(space >= QDB_HDR_BYTES + len);
    qdb_hdr_encode(in, type, path, len);
    memcpy(in + QDB_HDR_BYTES, val, len);
    qdb_local_in_done(c, QDB_HDR_BYTES + len);
    return qdb_local_step(c);
}

/* The next answer must be exactly this. */
static void want(struct qdb_local *c, enum qdb_type type, const char *path,
                 const char *val)
{
    size_t len, n = strlen(val);
    const uint8_t *out = qdb_local_out(c, &len);
    uint8_t hdr[QDB_HDR_BYTES];

    assert_true(len >= QDB_HDR_BYTES + n);
    qdb_hdr_encode(hdr, type, path, n);
    assert_memory_equal(out, hdr, sizeof(hdr));
    assert_memory_equal(out + QDB_HDR_BYTES, val, n);
    qdb_local_out_done(c, QDB_HDR_BYTES + n);
}

static void want_nothing(struct qdb_local *c)
{
    size_t len;

    qdb_local_out(c, &len);
    assert_int_equal(len, 0);
}

static void test_read_write_rm(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->c, QDB_READ, "/a", ""), 1);
    want(f->c, QDB_R_NOENT, "/a", "");
    assert_int_equal(ask(f->c, QDB_WRITE, "/a", "1"), 1);
    want(f->c, QDB_R_OK, "/a", "");
    assert_int_equal(ask(f->ro, QDB_READ, "/a", ""), 1);
    want(f->ro, QDB_R_READ, "/a", "1");
    assert_int_equal(ask(f->c, QDB_RM, "/a", ""), 1);
    want(f->c, QDB_R_OK, "/a", "");
    assert_int_equal(ask(f->c, QDB_RM, "/a", ""), 1);
    want(f->c, QDB_R_NOENT, "/a", "");
    want_nothing(f->c);
}

static void test_read_only(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->ro, QDB_WRITE, "/a", "1"), 1);
    want(f->ro, QDB_R_ERROR, "/a", "");
    assert_int_equal(ask(f->ro, QDB_RM, "/", ""), 1);
    want(f->ro, QDB_R_ERROR, "/", "");
    assert_null(qdb_store_find(qdb_replica_store(f->rep), "/a"));
}

static void test_listing(void **state)
{
    struct fixture *f = *state;

    qdb_replica_write(f->rep, "/a/1", "x", 1);
    qdb_replica_write(f->rep, "/a/2", "yy", 2);
    qdb_replica_write(f->rep, "/b", "", 0);
    assert_int_equal(ask(f->c, QDB_MULTIREAD, "/a/", ""), 1);
    want(f->c, QDB_R_MULTIREAD, "/a/1", "x");
    want(f->c, QDB_R_MULTIREAD, "/a/2", "yy");
    want(f->c, QDB_R_MULTIREAD, "", "");
    assert_int_equal(ask(f->c, QDB_LIST, "", ""), 1);
    want(f->c, QDB_R_LIST, "/a/1", "");
    want(f->c, QDB_R_LIST, "/a/2", "");
    want(f->c, QDB_R_LIST, "/b", "");
    want(f->c, QDB_R_LIST, "", "");
    assert_int_equal(ask(f->c, QDB_LIST, "/none", ""), 1);
    want(f->c, QDB_R_LIST, "", "");
    want_nothing(f->c);
}

/* Larger than the buffer: made as the client reads; the next request waits.
 */
static void test_long_listing(void **state)
{
    struct fixture *f = *state;
    char path[16], value[1001];

    memset(value, 'v', 1000);
    value[1000] = '\0';
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/k/%03d", i);
        assert_int_equal(qdb_replica_write(f->rep, path, value, 1000), 0);
    }
    assert_int_equal(ask(f->c, QDB_MULTIREAD, "", ""), 1);
    assert_int_equal(ask(f->c, QDB_READ, "/k/007", ""), -EAGAIN);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/k/%03d", i);
        want(f->c, QDB_R_MULTIREAD, path, value);
    }
    want(f->c, QDB_R_MULTIREAD, "", "");
    assert_int_equal(qdb_local_step(f->c), 1);
    want(f->c, QDB_R_READ, "/k/007", value);
}

static void test_watch(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->c, QDB_WATCH, "/a/", ""), 1);
    want(f->c, QDB_R_OK, "/a/", "");
    assert_int_equal(ask(f->c, QDB_WATCH, "/a/1", ""), 1);
    want(f->c, QDB_R_OK, "/a/1", "");
    qdb_replica_write(f->rep, "/a/1", "x", 1);
    qdb_replica_write(f->rep, "/b", "x", 1);
    want(f->c, QDB_R_WATCH, "/a/1", ""); /* once, though two match */
    want_nothing(f->c);
    assert_int_equal(ask(f->c, QDB_UNWATCH, "/a/", ""), 1);
    want(f->c, QDB_R_OK, "/a/", "");
    assert_int_equal(ask(f->c, QDB_UNWATCH, "/a/", ""), 1);
    want(f->c, QDB_R_NOENT, "/a/", "");
    qdb_replica_write(f->rep, "/a/2", "x", 1);
    want_nothing(f->c);
    qdb_replica_rm(f->rep, "/a/");
    want(f->c, QDB_R_WATCH, "/a/1", "");
    want_nothing(f->c);
}

static void test_watch_limit(void **state)
{
    struct fixture *f = *state;
    char path[16];

    for (unsigned i = 0; i <= QDB_LOCAL_WATCHES; i++) {
        snprintf(path, sizeof(path), "/w/%u", i);
        assert_int_equal(ask(f->ro, QDB_WATCH, path, ""), 1);
        want(f->ro, i < QDB_LOCAL_WATCHES ? QDB_R_OK : QDB_R_ERROR, path, "");
    }
}

/* Events nobody reads end the client, not the daemon. */
static void test_deaf_watcher(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->c, QDB_WATCH, "/", ""), 1);
    for (unsigned i = 0; i < QDB_LOCAL_OUT_MAX / QDB_HDR_BYTES; i++)
        qdb_replica_write(f->rep, "/a", "x", 1);
    assert_true(qdb_local_broken(f->c));
    assert_int_equal(qdb_local_step(f->c), -ENOMEM);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->c, QDB_R_OK, "/a", ""), -EBADMSG);
    assert_int_equal(ask(f->ro, QDB_READ, "/a/", ""), -EBADMSG);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_read_write_rm), T(test_read_only), T(test_listing),
        T(test_long_listing),  T(test_watch),     T(test_watch_limit),
        T(test_deaf_watcher),  T(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
