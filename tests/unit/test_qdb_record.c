/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records between sysqubed and its workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "qubesdb/qdb_record.h"

static void test_down(void **state)
{
    struct qdb_rec_down rec;
    char long_value[3072];

    (void)state;
    memset(long_value, 'x', sizeof(long_value));
    assert_int_equal(qdb_rec_set(&rec, "/a", "v", 1), 0);
    assert_int_equal(qdb_rec_down_check(&rec), 0);
    assert_int_equal(qdb_rec_set(&rec, "/a", NULL, 0), 0);
    assert_int_equal(qdb_rec_down_check(&rec), 0);
    assert_int_equal(qdb_rec_set(&rec, "/a", long_value, 3071), 0);
    assert_int_equal(qdb_rec_down_check(&rec), 0);
    assert_int_equal(qdb_rec_set(&rec, "/a", long_value, 3072), -ENOBUFS);
    assert_int_equal(qdb_rec_set(&rec, "/a", "x\0y", 3), -EBADMSG);
    assert_int_equal(qdb_rec_set(&rec, "/a/", "v", 1), -EINVAL);
    assert_int_equal(qdb_rec_set(&rec, "a", "v", 1), -EINVAL);
    assert_int_equal(qdb_rec_rm(&rec, "/a/"), 0);
    assert_int_equal(qdb_rec_down_check(&rec), 0);
    assert_int_equal(qdb_rec_rm(&rec, ""), -EINVAL);
    qdb_rec_down_plain(&rec, QDB_REC_SYNCED);
    assert_int_equal(qdb_rec_down_check(&rec), 0);
    qdb_rec_down_plain(&rec, QDB_REC_QUIT);
    assert_int_equal(qdb_rec_down_check(&rec), 0);
}

static void test_down_bad(void **state)
{
    struct qdb_rec_down good, rec;

    (void)state;
    assert_int_equal(qdb_rec_set(&good, "/a", "v", 1), 0);
#define BAD(change)                                                            \
    do {                                                                       \
        rec = good;                                                            \
        change;                                                                \
        assert_int_equal(qdb_rec_down_check(&rec), -EBADMSG);                  \
    } while (0)
    BAD(rec.type = 0);
    BAD(rec.type = QDB_REC_STATUS);
    BAD(rec.type = UINT32_MAX);
    BAD(rec.len = 3072);
    BAD(rec.len = UINT32_MAX);
    BAD(rec.len = 0);        /* value behind the length */
    BAD(rec.len = 2);        /* NUL in the value */
    BAD(rec.path[1] = '/');  /* "//": a subtree */
    BAD(rec.path[63] = 'x'); /* behind the NUL */
    BAD(memset(rec.path, '/', sizeof(rec.path)));
    BAD(rec.path[0] = '\0');
    BAD(rec.type = QDB_REC_RM); /* with a value */
    BAD(rec.type = QDB_REC_SYNCED);
#undef BAD
}

static void test_up(void **state)
{
    struct qdb_rec_up rec;
    char long_value[512];

    (void)state;
    memset(long_value, 'x', sizeof(long_value));
    assert_int_equal(qdb_rec_status(&rec, "/sysqube-status/usb", "ready 2", 7),
                     0);
    assert_int_equal(qdb_rec_up_check(&rec), 0);
    assert_string_equal(rec.value, "ready 2");
    const char *path = "/qubes-firewall-handled/10.137.0.5";
    assert_int_equal(qdb_rec_status(&rec, path, long_value, 511), 0);
    assert_int_equal(qdb_rec_up_check(&rec), 0);
    assert_int_equal(qdb_rec_status(&rec, path, long_value, 512), -ENOBUFS);
    assert_int_equal(qdb_rec_status(&rec, path, "\x1b[2J", 4), -EBADMSG);
    assert_int_equal(qdb_rec_status(&rec, "/qubes-ip", "1", 1), -EINVAL);
    assert_int_equal(qdb_rec_status(&rec, "/sysqube-status/", "1", 1), -EINVAL);
    assert_int_equal(qdb_rec_status(&rec, "/sysqube-status", "1", 1), -EINVAL);
    assert_int_equal(qdb_rec_status_rm(&rec, "/qubes-usb-devices/1-2/desc"), 0);
    assert_int_equal(qdb_rec_up_check(&rec), 0);
    qdb_rec_connected(&rec);
    assert_int_equal(qdb_rec_up_check(&rec), 0);
    qdb_rec_closed(&rec, QDB_CLOSED_PEER);
    assert_int_equal(qdb_rec_up_check(&rec), 0);
    qdb_rec_refused(&rec, QDB_REFUSED_RATE, 3);
    assert_int_equal(qdb_rec_up_check(&rec), 0);
}

static void test_up_bad(void **state)
{
    struct qdb_rec_up good, rec;

    (void)state;
    assert_int_equal(qdb_rec_status(&good, "/sysqube-status/x", "v", 1), 0);
#define BAD(change)                                                            \
    do {                                                                       \
        rec = good;                                                            \
        change;                                                                \
        assert_int_equal(qdb_rec_up_check(&rec), -EBADMSG);                    \
    } while (0)
    BAD(rec.type = QDB_REC_SET);
    BAD(rec.type = 0);
    BAD(rec.type = QDB_REC_REFUSED + 1);
    BAD(rec.len = 512);
    BAD(rec.len = UINT32_MAX);
    BAD(rec.len = 0);
    BAD(rec.len = 2); /* a NUL is not printable */
    BAD(rec.value[0] = '\n');
    BAD(rec.value[511] = 'x');
    BAD(rec.reason = 1);
    BAD(rec.count = 1);
    BAD(strcpy(rec.path, "/qubes-ip"));
    BAD(rec.path[3] = ' ');
    BAD(rec.path[17] = '/'); /* a subtree */
    BAD(rec.path[60] = 'a');
    BAD(memset(rec.path, 'a', sizeof(rec.path)));
    BAD(rec.type = QDB_REC_STATUS_RM);
    BAD(rec.type = QDB_REC_CONNECTED);
    qdb_rec_closed(&good, QDB_CLOSED_PEER);
    BAD(rec.reason = 0);
    BAD(rec.reason = QDB_CLOSED_INTERNAL + 1);
    BAD(rec.path[0] = '/');
    qdb_rec_refused(&good, QDB_REFUSED_RATE, 1);
    BAD(rec.count = 0);
    BAD(rec.reason = 0);
    BAD(rec.reason = QDB_REFUSED_DESIRED + 1);
    BAD(rec.value[0] = 'x');
#undef BAD
}

static void test_texts(void **state)
{
    (void)state;
    for (uint32_t i = QDB_CLOSED_PEER; i <= QDB_CLOSED_INTERNAL; i++)
        assert_string_not_equal(qdb_closed_text(i), "unknown");
    for (uint32_t i = QDB_REFUSED_FORMAT; i <= QDB_REFUSED_DESIRED; i++)
        assert_string_not_equal(qdb_refused_text(i), "unknown");
    assert_string_equal(qdb_closed_text(0), "unknown");
    assert_string_equal(qdb_closed_text(UINT32_MAX), "unknown");
    assert_string_equal(qdb_refused_text(UINT32_MAX), "unknown");
    assert_true(qdb_refused_fatal(QDB_REFUSED_RING));
    assert_false(qdb_refused_fatal(QDB_REFUSED_ENTRIES));
    assert_int_equal(qdb_worker_uid(5), 64005);
    assert_int_equal(qdb_worker_uid(32001), 64001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_down),  cmocka_unit_test(test_down_bad),
        cmocka_unit_test(test_up),    cmocka_unit_test(test_up_bad),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
