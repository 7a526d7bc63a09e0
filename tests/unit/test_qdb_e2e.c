/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube-qdb and qdbd as they run, over the unix body in a folder of their
 * own: we are sysqubed on one end, a local daemon of the qube on the other,
 * and in some tests a hostile qube instead of qdbd. Needs root, as both
 * programs drop to ids of their own; says so and skips without. The programs
 * are found beside this test's folder: ../bin. */
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "qubesdb/qdb_client.h"
#include "qubesdb/qdb_msg.h"
#include "qubesdb/qdb_record.h"

#define WAIT_MS 5000

struct fixture {
    char dir[64];
    char sock[128], ro_sock[128], vchan_sock[128];
    int mon;      /* our end of the worker's records */
    pid_t worker; /* 0: not running */
    pid_t qdbd;
};

static char bin_dir[PATH_MAX];

static void spawn_worker(struct fixture *f)
{
    char path[PATH_MAX + 16];
    char words[][16] = {"sysqube-qdb", "--domid", "5",     "--body",
                        "unix",        "--uid",   "64005", "--dir"};
    char *argv[ARRAY_LEN(words) + 2];

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        argv[i] = words[i];
    argv[ARRAY_LEN(words)] = f->dir;
    argv[ARRAY_LEN(words) + 1] = NULL;
    snprintf(path, sizeof(path), "%s/sysqube-qdb", bin_dir);
    assert_int_equal(privsep_spawn(path, argv, &f->mon, &f->worker), 0);
}

static void spawn_qdbd(struct fixture *f)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof(path), "%s/qdbd", bin_dir);
    fflush(NULL);
    f->qdbd = fork();
    assert_true(f->qdbd >= 0);
    if (f->qdbd == 0) {
        setenv("SYSQUBE_PLATFORM", "netns", 1);
        execl(path, "qdbd", "--vchan-dir", f->dir, "--run-dir", f->dir, NULL);
        _exit(127);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->mon = -1;
    *state = f;
    if (getuid() != 0)
        return 0;
    strcpy(f->dir, "/tmp/test-qdb-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(io_mkdirs("/var/empty", 0755), 0);
    snprintf(f->sock, sizeof(f->sock), "%s/qubesdb.sock", f->dir);
    snprintf(f->ro_sock, sizeof(f->ro_sock), "%s/qubesdb.ro.sock", f->dir);
    snprintf(f->vchan_sock, sizeof(f->vchan_sock), "%s/0.111.sock", f->dir);
    return 0;
}

/* End a process of ours. */
static void reap(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    reap(&f->qdbd);
    reap(&f->worker);
    mem_close_p(&f->mon);
    unlink(f->sock);
    unlink(f->ro_sock);
    unlink(f->vchan_sock);
    if (f->dir[0])
        rmdir(f->dir);
    free(f);
    return 0;
}

/* The programs limit their own address space, which sanitizers cannot bear.
 */
#if defined(__SANITIZE_ADDRESS__)
#define CAN_RUN false
#else
#define CAN_RUN (getuid() == 0)
#endif

#define NEED_ROOT()                                                            \
    do {                                                                       \
        if (!CAN_RUN)                                                          \
            skip();                                                            \
    } while (0)

static void down(struct fixture *f, const struct qdb_rec_down *rec)
{
    struct pollfd p = {.fd = f->mon, .events = POLLOUT};
    int r;

    while ((r = privsep_send(f->mon, rec, sizeof(*rec))) == -EAGAIN)
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(r, 0);
}

static void set(struct fixture *f, const char *path, const char *value)
{
    struct qdb_rec_down rec;

    assert_int_equal(qdb_rec_set(&rec, path, value, strlen(value)), 0);
    down(f, &rec);
}

static void rm(struct fixture *f, const char *path)
{
    struct qdb_rec_down rec;

    assert_int_equal(qdb_rec_rm(&rec, path), 0);
    down(f, &rec);
}

static void plain(struct fixture *f, enum qdb_rec_type type)
{
    struct qdb_rec_down rec;

    qdb_rec_down_plain(&rec, type);
    down(f, &rec);
}

/* The worker's next record of @p type (others are passed over). */
static struct qdb_rec_up up(struct fixture *f, enum qdb_rec_type type)
{
    uint64_t end = io_now_ms() + WAIT_MS;
    struct qdb_rec_up rec;

    while (io_now_ms() < end) {
        struct pollfd p = {.fd = f->mon, .events = POLLIN};
        poll(&p, 1, 100);
        int r = privsep_recv(f->mon, &rec, sizeof(rec));
        if (r == -EAGAIN)
            continue;
        if (r < 0)
            fail_msg("worker ended before record %d: %s", type, err_text(r));
        assert_int_equal(qdb_rec_up_check(&rec), 0);
        if (rec.type == (uint32_t)type)
            return rec;
    }
    fail_msg("no record %d", type);
    return rec;
}

/* The next status of that path. */
static struct qdb_rec_up up_path(struct fixture *f, enum qdb_rec_type type,
                                 const char *path)
{
    struct qdb_rec_up rec;

    do {
        rec = up(f, type);
    } while (strcmp(rec.path, path) != 0);
    return rec;
}

static void expect_exit(pid_t *pid, int want)
{
    int status = 0;

    for (int i = 0; i < WAIT_MS / 10; i++) {
        pid_t got = waitpid(*pid, &status, WNOHANG);
        assert_true(got >= 0);
        if (got == *pid) {
            *pid = 0;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
                fail_msg("status %#x, want exit %d", (unsigned)status, want);
            return;
        }
        usleep(10000);
    }
    fail_msg("does not end");
}

static void want_value(struct qdb *q, const char *path, const char *want)
{
    char buf[QDB_VALUE_MAX + 1];

    for (int i = 0; i < WAIT_MS / 10; i++) {
        int r = qdb_read(q, path, buf, sizeof(buf));
        if (want ? r >= 0 && strcmp(buf, want) == 0 : r == -ENOENT)
            return;
        assert_true(r >= 0 || r == -ENOENT);
        usleep(10000);
    }
    fail_msg("%s never became %s", path, want ? want : "absent");
}

static void expect_event(struct qdb *q, const char *want)
{
    char path[QDB_PATH_MAX];
    uint64_t end = io_now_ms() + WAIT_MS;

    while (io_now_ms() < end) {
        struct pollfd p = {.fd = qdb_fd(q), .events = POLLIN};
        poll(&p, 1, 100);
        int r = qdb_next_event(q, path);
        assert_true(r >= 0);
        if (r == 1 && strcmp(path, want) == 0)
            return;
    }
    fail_msg("no event for %s", want);
}

static struct qdb *start_all(struct fixture *f)
{
    struct qdb *q = NULL;

    spawn_worker(f);
    set(f, "/name", "work");
    set(f, "/qubes-ip", "10.137.0.5");
    plain(f, QDB_REC_SYNCED);
    spawn_qdbd(f);
    assert_int_equal(qdb_open(f->sock, WAIT_MS, &q), 0);
    return q;
}

static void test_both_ways(void **state)
{
    struct fixture *f = *state;
    struct qdb *q, *ro = NULL;

    NEED_ROOT();
    q = start_all(f);
    up(f, QDB_REC_CONNECTED);
    want_value(q, "/name", "work");
    assert_int_equal(qdb_watch(q, "/qubes-firewall/"), 0);
    set(f, "/qubes-firewall/10.137.0.5/policy", "drop");
    set(f, "/qubes-firewall/10.137.0.5", "");
    expect_event(q, "/qubes-firewall/10.137.0.5");
    want_value(q, "/qubes-firewall/10.137.0.5/policy", "drop");
    rm(f, "/qubes-firewall/10.137.0.5/");
    want_value(q, "/qubes-firewall/10.137.0.5/policy", NULL);

    const char *path = "/sysqube-status/agent";
    assert_int_equal(qdb_write_text(q, path, "up %s", "10.137.0.5"), 0);
    struct qdb_rec_up rec = up_path(f, QDB_REC_STATUS, path);
    assert_string_equal(rec.value, "up 10.137.0.5");
    assert_int_equal(qdb_rm(q, path), 0);
    up_path(f, QDB_REC_STATUS_RM, path);
    assert_int_equal(qdb_rm(q, path), -ENOENT);

    assert_int_equal(qdb_open(f->ro_sock, WAIT_MS, &ro), 0);
    want_value(ro, "/name", "work");
    assert_int_equal(qdb_write(ro, "/x", "1", 1), -EPERM);
    qdb_close(ro);
    qdb_close(q);
}

static void test_memory_status(void **state)
{
    struct fixture *f = *state;
    unsigned long long used = 0, total = 0;

    NEED_ROOT();
    struct qdb *q = start_all(f);
    struct qdb_rec_up rec =
        up_path(f, QDB_REC_STATUS, "/sysqube-status/memory");
    assert_int_equal(sscanf(rec.value, "%llu %llu", &used, &total), 2);
    assert_true(used > 0 && used < total);
    qdb_close(q);
}

static void test_dom0_key_restored(void **state)
{
    struct fixture *f = *state;

    NEED_ROOT();
    struct qdb *q = start_all(f);
    up(f, QDB_REC_CONNECTED);
    assert_int_equal(qdb_write(q, "/qubes-ip", "6.6.6.6", 7), 0);
    want_value(q, "/qubes-ip", "10.137.0.5");
    assert_int_equal(qdb_rm(q, "/qubes-ip"), 0);
    want_value(q, "/qubes-ip", "10.137.0.5");
    qdb_close(q);
}

static void test_held_until_synced(void **state)
{
    struct fixture *f = *state;
    struct qdb *q = NULL;

    NEED_ROOT();
    spawn_worker(f);
    spawn_qdbd(f);
    assert_int_equal(qdb_open(f->sock, 700, &q), -ETIMEDOUT);
    set(f, "/name", "late");
    plain(f, QDB_REC_SYNCED);
    assert_int_equal(qdb_open(f->sock, WAIT_MS, &q), 0);
    want_value(q, "/name", "late");
    qdb_close(q);
}

static void test_many_keys(void **state)
{
    struct fixture *f = *state;
    char path[QDB_PATH_MAX], value[2001];
    struct qdb *q = NULL;

    NEED_ROOT();
    spawn_worker(f);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 400; i++) {
        snprintf(path, sizeof(path), "/qubes-firewall/10.137.0.9/%04d", i);
        set(f, path, value);
    }
    plain(f, QDB_REC_SYNCED);
    spawn_qdbd(f);
    assert_int_equal(qdb_open(f->sock, WAIT_MS, &q), 0);
    want_value(q, "/qubes-firewall/10.137.0.9/0000", value);
    want_value(q, "/qubes-firewall/10.137.0.9/0399", value);
    /* and as many changes while it is connected */
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), "/qubes-firewall/10.137.0.8/%04d", i);
        set(f, path, "action=accept");
    }
    set(f, "/qubes-firewall/10.137.0.8", "");
    want_value(q, "/qubes-firewall/10.137.0.8", "");
    want_value(q, "/qubes-firewall/10.137.0.8/0000", "action=accept");
    want_value(q, "/qubes-firewall/10.137.0.8/0999", "action=accept");
    qdb_close(q);
}

/* The qdb tool. @return its exit status; its output in @p out */
static int run_qdb(struct fixture *f, const char *cmd, const char *path,
                   const char *value, char *out, size_t cap)
{
    char bin[PATH_MAX + 16];
    int p[2], status;
    ssize_t n;
    size_t len = 0;

    snprintf(bin, sizeof(bin), "%s/qdb", bin_dir);
    assert_int_equal(pipe(p), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(p[1], STDOUT_FILENO);
        close(p[0]);
        close(p[1]);
        execl(bin, "qdb", "-s", f->sock, cmd, path, value, NULL);
        _exit(127);
    }
    close(p[1]);
    while ((n = read(p[0], out + len, cap - len - 1)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(p[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_tool(void **state)
{
    struct fixture *f = *state;
    char out[4096];

    NEED_ROOT();
    struct qdb *q = start_all(f);
    assert_int_equal(run_qdb(f, "read", "/name", NULL, out, sizeof(out)), 0);
    assert_string_equal(out, "work\n");
    assert_int_equal(run_qdb(f, "write", "/t/a", "1 2", out, sizeof(out)), 0);
    assert_int_equal(run_qdb(f, "multiread", "/t/", NULL, out, sizeof(out)), 0);
    assert_string_equal(out, "/t/a = 1 2\n");
    assert_int_equal(run_qdb(f, "list", "/t", NULL, out, sizeof(out)), 0);
    assert_string_equal(out, "/t/a\n");
    assert_int_equal(run_qdb(f, "rm", "/t/", NULL, out, sizeof(out)), 0);
    assert_int_equal(run_qdb(f, "read", "/t/a", NULL, out, sizeof(out)), 1);
    assert_int_equal(run_qdb(f, "rm", "/t/a", NULL, out, sizeof(out)), 1);
    assert_int_equal(run_qdb(f, "read", "t", NULL, out, sizeof(out)), 1);
    assert_int_equal(run_qdb(f, "frob", "/t", NULL, out, sizeof(out)), 2);
    qdb_close(q);
}

/* As many programs as there are slots, and one more. */
static void test_many_clients(void **state)
{
    struct fixture *f = *state;
    struct qdb *more[48] = {0}, *last = NULL;

    NEED_ROOT();
    struct qdb *q = start_all(f);
    for (size_t i = 0; i < ARRAY_LEN(more) - 1; i++)
        assert_int_equal(qdb_open(f->ro_sock, WAIT_MS, &more[i]), 0);
    assert_int_equal(qdb_open(f->ro_sock, 300, &last), -ECONNRESET);
    assert_int_equal(qdb_open(f->sock, WAIT_MS, &last), 0);
    want_value(last, "/name", "work");
    qdb_close(last);
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        qdb_close(more[i]);
    qdb_close(q);
}

static void test_worker_gone(void **state)
{
    struct fixture *f = *state;

    NEED_ROOT();
    struct qdb *q = start_all(f);
    up(f, QDB_REC_CONNECTED);
    plain(f, QDB_REC_QUIT);
    expect_exit(&f->worker, 0);
    expect_exit(&f->qdbd, 0);
    char buf[8];
    assert_int_equal(qdb_read(q, "/name", buf, sizeof(buf)), -ECONNRESET);
    qdb_close(q);
}

static void test_vm_gone(void **state)
{
    struct fixture *f = *state;

    NEED_ROOT();
    struct qdb *q = start_all(f);
    up(f, QDB_REC_CONNECTED);
    reap(&f->qdbd);
    assert_int_equal(up(f, QDB_REC_CLOSED).reason, QDB_CLOSED_PEER);
    expect_exit(&f->worker, 0);
    qdb_close(q);
}

/* The worker's confinement as the kernel shows it. */
static void test_confined(void **state)
{
    struct fixture *f = *state;
    char path[64], root[PATH_MAX] = "", *status = NULL;

    NEED_ROOT();
    struct qdb *q = start_all(f);
    up(f, QDB_REC_CONNECTED);
    const pid_t pids[] = {f->worker, f->qdbd};
    const char *const uids[] = {"Uid:\t64005\t64005\t64005\t64005\n",
                                "Uid:\t100\t100\t100\t100\n"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
        assert_int_equal(io_read_file(path, 65536, &status, NULL), 0);
        assert_non_null(strstr(status, uids[i]));
        assert_non_null(strstr(status, "CapEff:\t0000000000000000\n"));
        assert_non_null(strstr(status, "CapPrm:\t0000000000000000\n"));
        assert_non_null(strstr(status, "CapBnd:\t0000000000000000\n"));
        assert_non_null(strstr(status, "NoNewPrivs:\t1\n"));
        assert_non_null(strstr(status, "Seccomp:\t2\n"));
        assert_non_null(strstr(status, "Groups:\t \n"));
        free(STEAL(status));
        snprintf(path, sizeof(path), "/proc/%d/root", pids[i]);
        assert_true(readlink(path, root, sizeof(root) - 1) > 0);
        assert_memory_equal(root, "/var/empty", strlen("/var/empty") + 1);
        memset(root, 0, sizeof(root));
    }
    qdb_close(q);
}

/* ---- a hostile qube ---- */

static int vm_connect(struct fixture *f)
{
    spawn_worker(f);
    set(f, "/name", "evil");
    plain(f, QDB_REC_SYNCED);
    for (int i = 0; i < WAIT_MS / 10; i++) {
        int fd = io_unix_connect(f->vchan_sock);
        if (fd >= 0)
            return fd;
        usleep(10000);
    }
    fail_msg("no server");
    return -1;
}

static size_t message(uint8_t *buf, enum qdb_type type, const char *path,
                      const void *val, size_t len)
{
    qdb_hdr_encode(buf, type, path, len);
    if (len)
        memcpy(buf + QDB_HDR_BYTES, val, len);
    return QDB_HDR_BYTES + len;
}

static void expect_refused(struct fixture *f, enum qdb_refused reason)
{
    struct qdb_rec_up rec;

    do {
        rec = up(f, QDB_REC_REFUSED);
    } while (rec.reason != (uint32_t)reason);
    assert_int_equal(up(f, QDB_REC_CLOSED).reason, QDB_CLOSED_REFUSED);
    expect_exit(&f->worker, 0);
}

static void test_hostile_messages(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[2][QDB_MSG_MAX];

    NEED_ROOT();
    for (int i = 0; i < 7; i++) {
        size_t len[2] = {0, 0};
        enum qdb_refused want = QDB_REFUSED_FORMAT;
        int fd = vm_connect(f);
        switch (i) {
        case 0: /* garbage */
            memset(buf[0], 0xa5, QDB_HDR_BYTES);
            len[0] = QDB_HDR_BYTES;
            break;
        case 1: /* a length over the limit */
            qdb_hdr_encode(buf[0], QDB_WRITE, "/a", 3072);
            len[0] = QDB_HDR_BYTES;
            want = QDB_REFUSED_SIZE;
            break;
        case 2: /* a local request */
            len[0] = message(buf[0], QDB_READ, "/name", NULL, 0);
            break;
        case 3: /* no NUL in the path */
            len[0] = message(buf[0], QDB_WRITE, "/a", "x", 1);
            memset(buf[0] + 1, '/', QDB_PATH_MAX);
            break;
        case 4: /* a NUL in the value */
            len[0] = message(buf[0], QDB_WRITE, "/a", "x\0y", 3);
            break;
        case 5: /* two copies asked for */
            len[0] = message(buf[0], QDB_MULTIREAD, "", NULL, 0);
            len[1] = message(buf[1], QDB_MULTIREAD, "", NULL, 0);
            want = QDB_REFUSED_STATE;
            break;
        default: /* an answer to nothing */
            len[0] = message(buf[0], QDB_R_OK, "/a", NULL, 0);
            want = QDB_REFUSED_STATE;
        }
        for (int k = 0; k < 2; k++)
            assert_int_equal(io_write_all(fd, buf[k], len[k], WAIT_MS), 0);
        print_message("# case %d\n", i);
        expect_refused(f, want);
        close(fd);
        mem_close_p(&f->mon);
    }
}

static void test_half_message(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[QDB_MSG_MAX];

    NEED_ROOT();
    int fd = vm_connect(f);
    size_t len = message(buf, QDB_WRITE, "/a", "value", 5);
    assert_int_equal(io_write_all(fd, buf, len - 1, WAIT_MS), 0);
    usleep(100000);
    assert_int_equal(kill(f->worker, 0), 0);
    close(fd);
    assert_int_equal(up(f, QDB_REC_CLOSED).reason, QDB_CLOSED_PEER);
    expect_exit(&f->worker, 0);
}

/* Read and drop what the worker says. */
static void swallow(int fd)
{
    char buf[4096];

    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
        ;
}

/* More keys than the VM's share: refused, counted, and life goes on. */
static void test_too_many_keys(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[QDB_MSG_MAX];
    char path[QDB_PATH_MAX];

    NEED_ROOT();
    int fd = vm_connect(f);
    for (int i = 0; i < 1100; i++) {
        snprintf(path, sizeof(path), "/k/%d", i);
        size_t len = message(buf, QDB_WRITE, path, NULL, 0);
        assert_int_equal(io_write_all(fd, buf, len, WAIT_MS), 0);
        swallow(fd);
    }
    struct qdb_rec_up rec;
    do {
        rec = up(f, QDB_REC_REFUSED);
    } while (rec.reason != QDB_REFUSED_ENTRIES);
    assert_int_equal(kill(f->worker, 0), 0);
    close(fd);
}

/* An endless flood of status: the worker slows down, sysqubed gets at most
 * what the rate allows, and the last value. */
static void test_flood(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[QDB_MSG_MAX];
    uint64_t start = io_now_ms();
    uint32_t n = 0, sent = 0;
    bool slowed = false;
    struct qdb_rec_up rec;

    NEED_ROOT();
    int fd = vm_connect(f);
    while (io_now_ms() < start + 2500) {
        char value[32];
        int vlen = snprintf(value, sizeof(value), "%u", sent);
        size_t len = message(buf, QDB_WRITE, "/sysqube-status/spoofed", value,
                             (size_t)vlen);
        ssize_t w = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (w < 0) {
            assert_int_equal(errno, EAGAIN);
            usleep(1000);
        } else {
            assert_int_equal((size_t)w, len);
            sent++;
        }
        swallow(fd);
        while (privsep_recv(f->mon, &rec, sizeof(rec)) == 0) {
            assert_int_equal(qdb_rec_up_check(&rec), 0);
            n += rec.type == QDB_REC_STATUS;
            slowed |=
                rec.type == QDB_REC_REFUSED && rec.reason == QDB_REFUSED_RATE;
        }
    }
    print_message("# %u sent, %u reported\n", sent, n);
    assert_true(slowed);
    assert_true(n >= 50 && n <= 50 + 50 * 3);
    close(fd);
}

/* A VM that reads nothing: the worker goes on taking records. */
static void test_stuck_vm(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[QDB_MSG_MAX];
    char path[QDB_PATH_MAX], value[1001];

    NEED_ROOT();
    int fd = vm_connect(f);
    size_t len = message(buf, QDB_MULTIREAD, "", NULL, 0);
    assert_int_equal(io_write_all(fd, buf, len, WAIT_MS), 0);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    up(f, QDB_REC_CONNECTED);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 800; i++) {
            snprintf(path, sizeof(path), "/k/%d", i);
            set(f, path, value);
        }
    }
    assert_int_equal(kill(f->worker, 0), 0);
    close(fd);
    up(f, QDB_REC_CLOSED);
    expect_exit(&f->worker, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dom0_key_restored, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_held_until_synced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_many_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_worker_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vm_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_confined, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck_vm, setup, teardown),
    };
    char *self = argc > 0 ? realpath(argv[0], NULL) : NULL;

    if (!self)
        return 1;
    snprintf(bin_dir, sizeof(bin_dir), "%s/../bin", dirname(self));
    free(self);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
