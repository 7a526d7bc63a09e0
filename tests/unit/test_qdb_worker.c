/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dom0's worker and a VM's replica, joined in memory, with a clock of our
 * own: what crosses in which order, what is restored, limits and rates. */
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
#include "qubesdb/qdb_replica.h"
#include "qubesdb/qdb_worker.h"

#define START_MS 1000000u

struct pair {
    struct qdb_worker *w;
    struct qdb_replica *rep;
    uint64_t now;
    char changed[4096]; /* "path path " as the replica heard of them */
};

static void on_changed(const char *path, void *arg)
{
    struct pair *p = arg;

    if (strlen(p->changed) + strlen(path) + 2 < sizeof(p->changed)) {
        strcat(p->changed, path);
        strcat(p->changed, " ");
    }
}

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->now = START_MS;
    assert_int_equal(qdb_worker_new(p->now, &p->w), 0);
    assert_int_equal(qdb_replica_new(on_changed, p, &p->rep), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    qdb_worker_free(p->w);
    qdb_replica_free(p->rep);
    free(p);
    return 0;
}

/* Move at most @p max bytes. @return bytes moved */
static size_t move(struct qdb_link *from, struct qdb_link *to, size_t max)
{
    size_t len, space;
    const uint8_t *out = qdb_link_out(from, &len);
    uint8_t *in = qdb_link_in(to, &space);

    if (len > space)
        len = space;
    if (len > max)
        len = max;
    memcpy(in, out, len);
    qdb_link_out_done(from, len);
    qdb_link_in_done(to, len);
    return len;
}

/* Until nothing moves. @param chunk  bytes at a time, to cut messages */
static void settle_by(struct pair *p, size_t chunk)
{
    struct qdb_link *wl = qdb_worker_link(p->w);
    struct qdb_link *rl = qdb_replica_link(p->rep);
    bool moved = true;
    int r;

    while (moved) {
        moved = move(rl, wl, chunk) > 0;
        moved |= move(wl, rl, chunk) > 0;
        while ((r = qdb_worker_step(p->w, p->now)) == 1)
            moved = true;
        assert_true(r == 0 || r == -EAGAIN);
        while ((r = qdb_link_step(rl)) == 1)
            moved = true;
        assert_true(r == 0 || r == -EAGAIN);
    }
}

static void settle(struct pair *p)
{
    settle_by(p, QDB_MSG_MAX);
}

static void set(struct pair *p, const char *path, const char *val)
{
    struct qdb_rec_down rec;

    assert_int_equal(qdb_rec_set(&rec, path, val, strlen(val)), 0);
    assert_int_equal(qdb_worker_down(p->w, &rec), 0);
}

static void rm(struct pair *p, const char *path)
{
    struct qdb_rec_down rec;

    assert_int_equal(qdb_rec_rm(&rec, path), 0);
    assert_int_equal(qdb_worker_down(p->w, &rec), 0);
}

static void synced(struct pair *p)
{
    struct qdb_rec_down rec;

    qdb_rec_down_plain(&rec, QDB_REC_SYNCED);
    assert_int_equal(qdb_worker_down(p->w, &rec), 0);
}

static void want_vm(struct pair *p, const char *path, const char *want)
{
    const struct qdb_entry *e = qdb_store_find(qdb_replica_store(p->rep), path);

    if (!want) {
        assert_null(e);
        return;
    }
    assert_non_null(e);
    assert_int_equal(e->len, strlen(want));
    if (e->len)
        assert_memory_equal(e->value, want, e->len);
}

static bool up(struct pair *p, struct qdb_rec_up *ret)
{
    if (!qdb_worker_up(p->w, p->now, ret))
        return false;
    assert_int_equal(qdb_rec_up_check(ret), 0);
    qdb_worker_up_done(p->w);
    return true;
}

static void want_up(struct pair *p, enum qdb_rec_type type, const char *path,
                    const char *val)
{
    struct qdb_rec_up rec;

    assert_true(up(p, &rec));
    assert_int_equal(rec.type, type);
    assert_string_equal(rec.path, path);
    assert_string_equal(rec.value, val);
}

static void want_no_up(struct pair *p)
{
    struct qdb_rec_up rec;

    assert_false(up(p, &rec));
}

/* The usual beginning. */
static void begin(struct pair *p)
{
    set(p, "/name", "work");
    set(p, "/qubes-ip", "10.137.0.5");
    synced(p);
    settle(p);
    assert_true(qdb_replica_synced(p->rep));
    want_up(p, QDB_REC_CONNECTED, "", "");
    want_no_up(p);
}

static void test_copy(void **state)
{
    struct pair *p = *state;

    settle(p);
    assert_false(qdb_replica_synced(p->rep)); /* held */
    begin(p);
    want_vm(p, "/name", "work");
    assert_string_equal(p->changed, ""); /* a copy is no change */
    set(p, "/x", "1");
    settle(p);
    assert_string_equal(p->changed, "/x ");
}

static void test_copy_in_pieces(void **state)
{
    struct pair *p = *state;

    for (int i = 0; i < 100; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/k/%02d", i);
        set(p, path, "some value");
    }
    synced(p);
    settle_by(p, 7);
    assert_true(qdb_replica_synced(p->rep));
    want_vm(p, "/k/00", "some value");
    want_vm(p, "/k/99", "some value");
}

/* A signal key written during the copy comes after what it signals. */
static void test_signal_during_copy(void **state)
{
    struct pair *p = *state;
    struct qdb_link *wl = qdb_worker_link(p->w);
    struct qdb_link *rl = qdb_replica_link(p->rep);

    set(p, "/f/1", "");
    set(p, "/f/1/0", "old");
    set(p, "/f/1/1", "old");
    synced(p);
    move(rl, wl, QDB_MSG_MAX);
    assert_int_equal(qdb_worker_step(p->w, p->now), 1);
    move(wl, rl, QDB_MSG_MAX); /* /f/1/1, the first of the copy */
    set(p, "/f/1/1", "new");
    set(p, "/f/1", "");
    settle(p);
    want_vm(p, "/f/1/1", "new");
    assert_string_equal(p->changed, "/f/1/1 /f/1 ");
}

static void test_order_and_last_value(void **state)
{
    struct pair *p = *state;

    begin(p);
    set(p, "/f/1/0", "a");
    set(p, "/f/1", "");
    set(p, "/f/1/0", "b"); /* before the VM took any */
    set(p, "/f/1/1", "c");
    set(p, "/f/1", "");
    settle(p);
    assert_string_equal(p->changed, "/f/1/0 /f/1/1 /f/1 ");
    want_vm(p, "/f/1/0", "b");
    p->changed[0] = '\0';
    rm(p, "/f/1/");
    rm(p, "/f/1");
    settle(p);
    assert_string_equal(p->changed, "/f/1/0 /f/1/1 /f/1 ");
    want_vm(p, "/f/1/1", NULL);
    want_vm(p, "/f/1", NULL);
    /* made and gone before the VM looked: nothing is sent */
    p->changed[0] = '\0';
    set(p, "/g", "1");
    rm(p, "/g");
    settle(p);
    assert_string_equal(p->changed, "");
}

static void test_status(void **state)
{
    struct pair *p = *state;
    const char *path = "/sysqube-status/agent";

    begin(p);
    assert_int_equal(qdb_replica_write(p->rep, path, "up", 2), 0);
    assert_int_equal(qdb_replica_write(p->rep, "/private", "x", 1), 0);
    settle(p);
    want_up(p, QDB_REC_STATUS, path, "up");
    want_no_up(p);
    /* the last value, once */
    qdb_replica_write(p->rep, path, "1", 1);
    settle(p);
    qdb_replica_write(p->rep, path, "2", 1);
    settle(p);
    want_up(p, QDB_REC_STATUS, path, "2");
    want_no_up(p);
    assert_int_equal(qdb_replica_rm(p->rep, "/sysqube-status/"), 0);
    settle(p);
    want_up(p, QDB_REC_STATUS_RM, path, "");
    want_no_up(p);
    /* written and removed between two looks: nothing to say */
    qdb_replica_write(p->rep, path, "3", 1);
    settle(p);
    qdb_replica_rm(p->rep, path);
    settle(p);
    want_no_up(p);
}

static void test_status_unfit(void **state)
{
    struct pair *p = *state;
    const char *path = "/sysqube-status/agent";
    char big[600];
    struct qdb_rec_up rec;

    memset(big, 'x', sizeof(big));
    begin(p);
    qdb_replica_write(p->rep, path, big, 512);
    settle(p);
    assert_false(qdb_worker_up(p->w, p->now, &rec));
    p->now += QDB_WORKER_REPORT_MS;
    assert_true(up(p, &rec));
    assert_int_equal(rec.type, QDB_REC_REFUSED);
    assert_int_equal(rec.reason, QDB_REFUSED_STATUS);
    qdb_replica_write(p->rep, path, big, 511);
    settle(p);
    assert_true(up(p, &rec));
    assert_int_equal(rec.type, QDB_REC_STATUS);
    /* an unfit value must not leave the older one standing */
    qdb_replica_write(p->rep, path, "\x1b[1m", 4);
    settle(p);
    want_up(p, QDB_REC_STATUS_RM, path, "");
}

static void test_dom0_owns(void **state)
{
    struct pair *p = *state;

    begin(p);
    assert_int_equal(qdb_replica_write(p->rep, "/qubes-ip", "6.6.6.6", 7), 0);
    want_vm(p, "/qubes-ip", "6.6.6.6");
    settle(p);
    want_vm(p, "/qubes-ip", "10.137.0.5");
    assert_int_equal(qdb_replica_rm(p->rep, "/qubes-ip"), 0);
    settle(p);
    want_vm(p, "/qubes-ip", "10.137.0.5");
    assert_int_equal(qdb_replica_write(p->rep, "/mine", "1", 1), 0);
    assert_int_equal(qdb_replica_rm(p->rep, "/"), 0);
    settle(p);
    want_vm(p, "/qubes-ip", "10.137.0.5");
    want_vm(p, "/name", "work");
    want_vm(p, "/mine", NULL);
    assert_int_equal(qdb_worker_count(p->w, QDB_OWNER_DOM0), 2);
    assert_int_equal(qdb_worker_count(p->w, QDB_OWNER_VM), 0);
    /* taken over by dom0, given back by its removal */
    assert_int_equal(qdb_replica_write(p->rep, "/mine", "1", 1), 0);
    settle(p);
    set(p, "/mine", "dom0");
    settle(p);
    want_vm(p, "/mine", "dom0");
    rm(p, "/mine");
    settle(p);
    want_vm(p, "/mine", NULL);
}

static void test_both_remove(void **state)
{
    struct pair *p = *state;

    begin(p);
    assert_int_equal(qdb_replica_rm(p->rep, "/name"), 0);
    rm(p, "/name");
    settle(p);
    want_vm(p, "/name", NULL);
    assert_int_equal(qdb_worker_count(p->w, QDB_OWNER_DOM0), 1);
}

static void test_vm_limits(void **state)
{
    struct pair *p = *state;
    struct qdb_rec_up rec;
    char path[32];
    int r = 0;

    begin(p);
    for (unsigned i = 0; i < QDB_REPLICA_VM_ENTRIES; i++) {
        snprintf(path, sizeof(path), "/k/%u", i);
        assert_int_equal(qdb_replica_write(p->rep, path, "v", 1), 0);
    }
    /* our own daemon refuses before dom0 has to */
    assert_int_equal(qdb_replica_write(p->rep, "/one-more", "v", 1), -ENOSPC);
    for (int i = 0; i < 10; i++) {
        settle(p);
        p->now += 1000;
    }
    assert_int_equal(qdb_worker_count(p->w, QDB_OWNER_VM),
                     QDB_WORKER_VM_ENTRIES);
    /* another one does not, and is answered ERROR */
    uint8_t msg[QDB_HDR_BYTES];
    struct qdb_link *wl = qdb_worker_link(p->w);
    size_t space, len;
    qdb_hdr_encode(msg, QDB_WRITE, "/one-more", 0);
    memcpy(qdb_link_in(wl, &space), msg, sizeof(msg));
    qdb_link_in_done(wl, sizeof(msg));
    assert_int_equal(qdb_worker_step(p->w, p->now), 1);
    assert_int_equal(qdb_link_out(wl, &len)[0], QDB_R_ERROR);
    assert_int_equal(len, QDB_HDR_BYTES);
    while (up(p, &rec))
        r |= rec.type == QDB_REC_REFUSED && rec.reason == QDB_REFUSED_ENTRIES;
    assert_true(r);
}

static void test_rate(void **state)
{
    struct pair *p = *state;
    struct qdb_link *wl = qdb_worker_link(p->w);
    struct qdb_rec_up rec;
    uint8_t msg[QDB_HDR_BYTES];
    uint32_t taken = 0;
    size_t len, space;
    int r = 0;

    begin(p); /* takes one */
    qdb_hdr_encode(msg, QDB_WRITE, "/k", 0);
    for (int i = 0; i < 5000; i++) {
        memcpy(qdb_link_in(wl, &space), msg, sizeof(msg));
        qdb_link_in_done(wl, sizeof(msg));
        r = qdb_worker_step(p->w, p->now);
        if (r != 1)
            break;
        taken++;
        qdb_link_out(wl, &len);
        qdb_link_out_done(wl, len);
    }
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(taken, QDB_WORKER_BURST - 1);
    assert_int_equal(qdb_worker_step(p->w, p->now), -EAGAIN);
    uint32_t wait = qdb_worker_wait_ms(p->w, p->now);
    assert_true(wait >= 5 && wait <= 6);
    p->now += wait;
    assert_int_equal(qdb_worker_step(p->w, p->now), 1);
    p->now += QDB_WORKER_REPORT_MS;
    assert_true(up(p, &rec));
    assert_int_equal(rec.reason, QDB_REFUSED_RATE);
    assert_int_equal(rec.count, 1);
}

static void test_up_rate(void **state)
{
    struct pair *p = *state;
    struct qdb_rec_up rec;
    char path[40];
    unsigned n = 0;

    begin(p);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/sysqube-status/vif/%u.0", i);
        assert_int_equal(qdb_replica_write(p->rep, path, "up", 2), 0);
    }
    settle(p);
    while (up(p, &rec))
        n++;
    assert_int_equal(n, QDB_WORKER_UP_BURST);
    uint32_t wait = qdb_worker_wait_ms(p->w, p->now);
    assert_true(wait >= 20 && wait <= 21);
    p->now += 1000;
    while (up(p, &rec))
        n++;
    assert_int_equal(n, QDB_WORKER_UP_BURST + QDB_WORKER_UP_RATE);
}

static void test_desired_limits(void **state)
{
    struct pair *p = *state;
    struct qdb_rec_down rec;
    struct qdb_rec_up got;
    char path[32];

    for (unsigned i = 0; i < QDB_WORKER_DOM0_ENTRIES; i++) {
        snprintf(path, sizeof(path), "/k/%u", i);
        set(p, path, "v");
    }
    set(p, "/one-more", "v");
    assert_true(up(p, &got));
    assert_int_equal(got.reason, QDB_REFUSED_DESIRED);
    synced(p);
    settle(p);
    assert_true(qdb_replica_synced(p->rep));
    /* a VM that takes nothing, while keys come and go */
    rm(p, "/k/0");
    assert_int_equal(qdb_rec_set(&rec, "/other", "v", 1), 0);
    assert_int_equal(qdb_worker_down(p->w, &rec), -ENOBUFS);
}

/* Keys of a rule list behind one that had no room: in or out? */
static void test_cut_list(void **state)
{
    struct pair *p = *state;
    static char big[QDB_VALUE_MAX + 1];
    char path[64];
    unsigned n = QDB_WORKER_DOM0_BYTES / (QDB_PATH_MAX + QDB_VALUE_MAX);

    memset(big, 'x', QDB_VALUE_MAX);
    for (unsigned i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "/k/%u", i);
        set(p, path, big);
    }
    synced(p);
    settle(p);
#define A "/qubes-firewall/10.137.0.5"
#define B "/qubes-firewall/10.137.0.50"
    set(p, A "/policy", "drop");
    set(p, A "/0000", big);
    set(p, A "/0001", "action=accept"); /* there would be room */
    set(p, B "/policy", "drop");
    set(p, B "/0000", "action=accept");
    set(p, A "/0002", "action=accept");
    set(p, A, "");
    settle(p);
    assert_non_null(qdb_store_find(qdb_replica_store(p->rep), A "/policy"));
    assert_null(qdb_store_find(qdb_replica_store(p->rep), A "/0000"));
    assert_null(qdb_store_find(qdb_replica_store(p->rep), A "/0001"));
    assert_null(qdb_store_find(qdb_replica_store(p->rep), A "/0002"));
    assert_non_null(qdb_store_find(qdb_replica_store(p->rep), A));
    assert_non_null(qdb_store_find(qdb_replica_store(p->rep), B "/0000"));
    /* written again, shorter: whole */
    rm(p, A "/");
    set(p, A "/policy", "drop");
    set(p, A "/0000", "action=drop");
    set(p, A "/0001", "action=accept");
    set(p, A, "");
    settle(p);
    assert_non_null(qdb_store_find(qdb_replica_store(p->rep), A "/0000"));
    assert_non_null(qdb_store_find(qdb_replica_store(p->rep), A "/0001"));
#undef A
#undef B
}

static void test_quit(void **state)
{
    struct pair *p = *state;
    struct qdb_rec_down rec;

    qdb_rec_down_plain(&rec, QDB_REC_QUIT);
    assert_int_equal(qdb_worker_down(p->w, &rec), 1);
    assert_int_equal(qdb_worker_reason(-EMSGSIZE), QDB_REFUSED_SIZE);
    assert_int_equal(qdb_worker_reason(-EPROTO), QDB_REFUSED_STATE);
    assert_int_equal(qdb_worker_reason(-EBADMSG), QDB_REFUSED_FORMAT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_copy),
        T(test_copy_in_pieces),
        T(test_signal_during_copy),
        T(test_order_and_last_value),
        T(test_status),
        T(test_status_unfit),
        T(test_dom0_owns),
        T(test_both_remove),
        T(test_vm_limits),
        T(test_rate),
        T(test_up_rate),
        T(test_desired_limits),
        T(test_cut_list),
        T(test_quit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
