/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QubesDB codec: paths, header rules per type and origin, messages, watches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "qubesdb/qdb_meminfo.h"
#include "qubesdb/qdb_msg.h"

#define P60 "/aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        enum qdb_path_kind want;
    } table[] = {
        {"", QDB_PATH_EMPTY},
        {"/", QDB_PATH_SUBTREE},
        {"/a", QDB_PATH_KEY},
        {"/a/", QDB_PATH_SUBTREE},
        {"/a//b", QDB_PATH_KEY},
        {"/qubes-firewall/fd09:24ef:4179::a89/0001", QDB_PATH_KEY},
        {"/A.z_0:9@-", QDB_PATH_KEY},
        {"a", QDB_PATH_BAD},
        {"-/a", QDB_PATH_BAD},
        {"/a b", QDB_PATH_BAD},
        {"/a\n", QDB_PATH_BAD},
        {"/a*", QDB_PATH_BAD},
        {"/\xc3\xa4", QDB_PATH_BAD},
        {P60 "ghi", QDB_PATH_KEY},
        {P60 "ghij", QDB_PATH_BAD},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (qdb_path_kind(table[i].path, strlen(table[i].path)) !=
            table[i].want)
            fail_msg("path %s", table[i].path);
    assert_int_equal(qdb_path_kind("/a\0b", 4), QDB_PATH_BAD);
    assert_true(qdb_path_is_key("/a"));
    assert_false(qdb_path_is_key("/a/"));
}

#define V (1u << QDB_FROM_VM)
#define D (1u << QDB_FROM_DOM0)
#define C (1u << QDB_FROM_CLIENT)
#define R (1u << QDB_FROM_DAEMON)

/* Each type from each origin, with each kind of path, with and without
 * data: what must be taken, everything else refused. */
static void test_legal(void **state)
{
    static const char *const paths[] = {"", "/k", "/k/"};
    static const struct {
        unsigned from;      /* who may */
        unsigned paths;     /* bit n: paths[n] */
        unsigned with_data; /* bit n: paths[n] with data */
    } want[QDB_TYPES] = {
        [QDB_READ] = {C, 2, 0},
        [QDB_WRITE] = {V | D | C, 2, 2},
        [QDB_MULTIREAD] = {V | C, 7, 0}, /* V: empty only, see below */
        [QDB_LIST] = {C, 7, 0},
        [QDB_RM] = {V | D | C, 6, 0},
        [QDB_WATCH] = {C, 6, 0},
        [QDB_UNWATCH] = {C, 6, 0},
        [QDB_R_OK] = {V | D | R, 6, 0},
        [QDB_R_NOENT] = {V | D | R, 6, 0},
        [QDB_R_ERROR] = {V | D | R, 7, 0},
        [QDB_R_READ] = {R, 2, 2},
        [QDB_R_MULTIREAD] = {D | R, 3, 2},
        [QDB_R_LIST] = {R, 3, 0},
        [QDB_R_WATCH] = {R, 6, 0},
    };
    uint8_t bytes[QDB_HDR_BYTES];
    struct qdb_hdr hdr;

    (void)state;
    for (unsigned t = 0; t < QDB_TYPES; t++) {
        for (unsigned from = 0; from < QDB_FROMS; from++) {
            for (unsigned p = 0; p < 3; p++) {
                for (unsigned len = 0; len < 2; len++) {
                    unsigned ok = len ? want[t].with_data : want[t].paths;
                    bool legal = (want[t].from >> from & 1) && (ok >> p & 1);
                    if (t == QDB_MULTIREAD && from == QDB_FROM_VM && p)
                        legal = false;
                    qdb_hdr_encode(bytes, (enum qdb_type)t, paths[p], len);
                    int r = qdb_hdr_decode(bytes, (enum qdb_from)from, &hdr);
                    if (r != (legal ? 0 : -EBADMSG))
                        fail_msg("type %u from %u path '%s' len %u: %d", t,
                                 from, paths[p], len, r);
                }
            }
        }
    }
}

static void test_header_bytes(void **state)
{
    uint8_t bytes[QDB_HDR_BYTES], want[QDB_HDR_BYTES] = {0};
    struct qdb_hdr hdr;

    (void)state;
    want[0] = 1;
    memcpy(want + 1, "/a/b", 4);
    want[68] = 0xff;
    want[69] = 0x0b; /* 3071, least byte first */
    qdb_hdr_encode(bytes, QDB_WRITE, "/a/b", 3071);
    assert_memory_equal(bytes, want, sizeof(want));
    assert_int_equal(qdb_hdr_decode(bytes, QDB_FROM_VM, &hdr), 0);
    assert_int_equal(hdr.type, QDB_WRITE);
    assert_int_equal(hdr.len, 3071);
    assert_string_equal(hdr.path, "/a/b");
    /* what stands behind the NUL, and the reserved bytes, do not matter and
     * are not passed on */
    bytes[10] = 'x';
    bytes[65] = 0xee;
    assert_int_equal(qdb_hdr_decode(bytes, QDB_FROM_VM, &hdr), 0);
    assert_int_equal(hdr.path[9], 0);
}

static void test_header_limits(void **state)
{
    uint8_t bytes[QDB_HDR_BYTES];
    struct qdb_hdr hdr;

    (void)state;
    qdb_hdr_encode(bytes, QDB_WRITE, "/a", 3072);
    assert_int_equal(qdb_hdr_decode(bytes, QDB_FROM_VM, &hdr), -EMSGSIZE);
    qdb_hdr_encode(bytes, QDB_WRITE, "/a", 0xffffffffu);
    assert_int_equal(qdb_hdr_decode(bytes, QDB_FROM_VM, &hdr), -EMSGSIZE);
    bytes[0] = QDB_TYPES;
    assert_int_equal(qdb_hdr_decode(bytes, QDB_FROM_VM, &hdr), -EBADMSG);
    memset(bytes + 1, '/', QDB_PATH_MAX);
    bytes[0] = QDB_WRITE;
    assert_int_equal(qdb_hdr_decode(bytes, QDB_FROM_VM, &hdr), -EBADMSG);
}

static void test_take(void **state)
{
    uint8_t buf[2 * QDB_MSG_MAX];
    struct qdb_hdr hdr;
    const uint8_t *data;

    (void)state;
    qdb_hdr_encode(buf, QDB_WRITE, "/a", 3);
    memcpy(buf + QDB_HDR_BYTES, "xyz", 3);
    for (size_t len = 0; len < QDB_HDR_BYTES + 3; len++)
        assert_int_equal(qdb_msg_take(buf, len, QDB_FROM_VM, &hdr, &data), 0);
    assert_int_equal(qdb_msg_take(buf, 100, QDB_FROM_VM, &hdr, &data), 75);
    assert_memory_equal(data, "xyz", 3);
    buf[QDB_HDR_BYTES + 1] = 0;
    assert_int_equal(qdb_msg_take(buf, 100, QDB_FROM_VM, &hdr, &data),
                     -EBADMSG);
    /* refused at the header, before any data */
    qdb_hdr_encode(buf, QDB_WRITE, "/a", 3072);
    assert_int_equal(qdb_msg_take(buf, QDB_HDR_BYTES, QDB_FROM_VM, &hdr, &data),
                     -EMSGSIZE);
}

static void test_watch(void **state)
{
    static const struct {
        const char *watch, *path;
        bool want;
    } table[] = {
        {"/a", "/a", true},      {"/a", "/ab", false},
        {"/a", "/a/b", false},   {"/a/", "/a/b", true},
        {"/a/", "/a/b/c", true}, {"/a/", "/a", false},
        {"/a/", "/ab/c", false}, {"/", "/anything", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (qdb_watch_match(table[i].watch, table[i].path) != table[i].want)
            fail_msg("watch %s path %s", table[i].watch, table[i].path);
}

static void test_meminfo(void **state)
{
    static const char text[] = "MemTotal:         32000 kB\n"
                               "MemFree:           1000 kB\n"
                               "MemAvailable:     12000 kB\n";
    static const char *const bad[] = {"", "MemTotal: 1 kB\n",
                                      "MemTotal: 1 kB\nMemAvailable: 2 kB\n",
                                      "MemTotal: 9 kB\nMemAvailable: x kB\n",
                                      "MemTotal: 9 MB\nMemAvailable: 1 kB\n"};
    struct qdb_meminfo m, n;

    (void)state;
    assert_int_equal(qdb_meminfo_parse(text, sizeof(text) - 1, &m), 0);
    assert_int_equal(m.total_kib, 32000);
    assert_int_equal(m.used_kib, 20000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(qdb_meminfo_parse(bad[i], strlen(bad[i]), &n),
                         -EBADMSG);
    n = m;
    n.used_kib = 21000;
    assert_false(qdb_meminfo_differs(&m, &n));
    n.used_kib = 21001;
    assert_true(qdb_meminfo_differs(&m, &n));
    n.used_kib = 18999;
    assert_true(qdb_meminfo_differs(&m, &n));
    n = (struct qdb_meminfo){.used_kib = 20000, .total_kib = 1};
    assert_true(qdb_meminfo_differs(&m, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_legal),
        cmocka_unit_test(test_header_bytes),
        cmocka_unit_test(test_header_limits),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_meminfo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
