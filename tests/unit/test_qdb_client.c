/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/qubesdb/qdb_client.c: whatever the answer, who waits on
 * the descriptor is woken for events that came right behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "qubesdb/qdb_client.h"
#include "qubesdb/qdb_msg.h"

static size_t put(uint8_t *out, enum qdb_type type, const char *path,
                  const char *val)
{
    size_t len = val ? strlen(val) : 0;

    qdb_hdr_encode(out, type, path, len);
    if (len)
        memcpy(out + QDB_HDR_BYTES, val, len);
    return QDB_HDR_BYTES + len;
}

/* A daemon that answers the first request, then each next one and an event
 * in one write. */
static void serve(int listener, enum qdb_type type, const char *val)
{
    uint8_t in[QDB_MSG_MAX], out[QDB_MSG_MAX + QDB_HDR_BYTES];
    int fd = accept(listener, NULL, NULL);
    size_t n = put(out, QDB_R_NOENT, "/name", NULL);

    if (fd < 0 || read(fd, in, sizeof(in)) <= 0 ||
        write(fd, out, n) != (ssize_t)n)
        _exit(1);
    while (read(fd, in, sizeof(in)) > 0) {
        n = put(out, type, "/k", val);
        n += put(out + n, QDB_R_WATCH, "/event", NULL);
        if (write(fd, out, n) != (ssize_t)n)
            _exit(1);
    }
    _exit(0);
}

static pid_t start(char *path, enum qdb_type type, const char *val)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1), 0);
    pid = fork();
    if (pid == 0)
        serve(fd, type, val);
    assert_true(pid > 0);
    close(fd);
    return pid;
}

static void check(enum qdb_type type, const char *val, int want)
{
    char dir[] = "/tmp/sq-qdb-XXXXXX", path[64], buf[4], event[QDB_PATH_MAX];
    struct pollfd p = {.events = POLLIN};
    struct qdb *q;
    pid_t pid;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sock", dir);
    pid = start(path, type, val);
    assert_int_equal(qdb_open(path, 5000, &q), 0);
    assert_int_equal(qdb_read(q, "/k", buf, sizeof(buf)), want);
    p.fd = qdb_fd(q);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(qdb_next_event(q, event), 1);
    assert_string_equal(event, "/event");
    assert_int_equal(poll(&p, 1, 0), 0);
    qdb_close(q);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    unlink(path);
    rmdir(dir);
}

static void test_woken(void **state)
{
    (void)state;
    check(QDB_R_READ, "abc", 3);
    check(QDB_R_READ, "too long", -ENOBUFS);
    check(QDB_R_NOENT, NULL, -ENOENT);
    check(QDB_R_ERROR, NULL, -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_woken)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
