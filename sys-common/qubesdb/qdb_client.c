/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Client of the local QubesDB daemon. effect. Answers are decoded by the
 * checked codec (qdb_msg). See qdb_client.h. */
#include "qubesdb/qdb_client.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "qubesdb/qdb_msg.h"

#define REQUEST_MS 5000
#define RETRY_MS 100
#define QUEUE_MAX 8192 /* distinct paths; the daemon's store is smaller */
#define RO_SUFFIX ".ro.sock"

struct watch_event {
    STAILQ_ENTRY(watch_event) link;
    char path[QDB_PATH_MAX];
};

struct qdb {
    int fd;      /* the connection */
    int wake_fd; /* eventfd, readable while queue is not empty */
    int poll_fd; /* epoll of both: what the caller watches */
    bool readonly;
    STAILQ_HEAD(, watch_event) queue;
    size_t queued;
    size_t in_off, in_len; /* unread bytes of in */
    uint8_t in[2 * QDB_MSG_MAX];
    uint8_t out[QDB_MSG_MAX];
    char value[QDB_VALUE_MAX + 1]; /* NUL terminated copy for callbacks */
};

static void queue_wake(struct qdb *q, bool on)
{
    uint64_t n = 1;
    ssize_t done;

    if (on)
        done = write(q->wake_fd, &n, sizeof(n));
    else
        done = read(q->wake_fd, &n, sizeof(n));
    (void)done; /* full or empty already: as wanted */
}

static int queue_add(struct qdb *q, const char *path)
{
    struct watch_event *e;

    /* A path is queued once, where it changed last: who waits for a signal
     * key sees it behind the keys it closes. */
    STAILQ_FOREACH(e, &q->queue, link)
    {
        if (strcmp(e->path, path) != 0)
            continue;
        STAILQ_REMOVE(&q->queue, e, watch_event, link);
        STAILQ_INSERT_TAIL(&q->queue, e, link);
        return 0;
    }
    if (q->queued >= QUEUE_MAX)
        return -ENOBUFS;
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    memcpy(e->path, path, strlen(path));
    STAILQ_INSERT_TAIL(&q->queue, e, link);
    if (q->queued++ == 0)
        queue_wake(q, true);
    return 0;
}

/* Read what the socket has. @return 0; -EAGAIN nothing; -ECONNRESET; ... */
static int fill(struct qdb *q)
{
    ssize_t n;

    if (q->in_off > 0) {
        memmove(q->in, q->in + q->in_off, q->in_len);
        q->in_off = 0;
    }
    do {
        n = recv(q->fd, q->in + q->in_len, sizeof(q->in) - q->in_len,
                 MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    if (n == 0)
        return -ECONNRESET;
    q->in_len += (size_t)n;
    return 0;
}

/* A whole message of the buffer. @return 1; 0 none; -errno */
static int take(struct qdb *q, struct qdb_hdr *ret, const uint8_t **ret_data)
{
    int n = qdb_msg_take(q->in + q->in_off, q->in_len, QDB_FROM_DAEMON, ret,
                         ret_data);

    if (n <= 0)
        return n;
    q->in_off += (size_t)n;
    q->in_len -= (size_t)n;
    return 1;
}

/* Move watch events of the buffer to the queue; nothing else may be there
 * between requests. */
static int drain_events(struct qdb *q)
{
    struct qdb_hdr hdr;
    const uint8_t *data;
    int r;

    while ((r = take(q, &hdr, &data)) == 1) {
        if (hdr.type != QDB_R_WATCH)
            return -EPROTO;
        r = queue_add(q, hdr.path);
        if (r < 0)
            return r;
    }
    return r;
}

/* Next answer; events on the way are queued.
 * @param deadline  io_now_ms() to give up at */
static int answer(struct qdb *q, uint64_t deadline, struct qdb_hdr *ret,
                  const uint8_t **ret_data)
{
    for (;;) {
        int r = take(q, ret, ret_data);
        if (r < 0)
            return r;
        if (r == 1) {
            if (ret->type != QDB_R_WATCH)
                return 0;
            r = queue_add(q, ret->path);
            if (r < 0)
                return r;
            continue;
        }
        r = fill(q);
        if (r == 0)
            continue;
        if (r != -EAGAIN)
            return r;
        uint64_t now = io_now_ms();
        struct pollfd p = {.fd = q->fd, .events = POLLIN};
        if (now >= deadline)
            return -ETIMEDOUT;
        if (poll(&p, 1, (int)(deadline - now)) < 0 && errno != EINTR)
            return err_last();
    }
}

static int request(struct qdb *q, enum qdb_type type, const char *path,
                   const void *val, size_t len)
{
    int r = drain_events(q);

    if (r < 0)
        return r;
    if (strnlen(path, QDB_PATH_MAX) == QDB_PATH_MAX || len > QDB_VALUE_MAX)
        return -EINVAL;
    qdb_hdr_encode(q->out, type, path, len);
    if (len)
        memcpy(q->out + QDB_HDR_BYTES, val, len);
    r = io_write_all(q->fd, q->out, QDB_HDR_BYTES + len, REQUEST_MS);
    return r == -EPIPE ? -ECONNRESET : r;
}

/* Request and its one answer. @return 0; what the answer's type means */
static int ask(struct qdb *q, enum qdb_type type, const char *path,
               const void *val, size_t len, int timeout_ms, struct qdb_hdr *ret,
               const uint8_t **ret_data)
{
    int r = request(q, type, path, val, len);

    if (r < 0)
        return r;
    r = answer(q, io_now_ms() + (uint64_t)timeout_ms, ret, ret_data);
    if (r < 0 || (ret->type != QDB_R_NOENT && ret->type != QDB_R_ERROR))
        return r;
    /* Events behind the answer must not stay in the buffer, where nobody is
     * woken for them; after a good answer its reader does this. */
    r = drain_events(q);
    if (r < 0)
        return r;
    if (ret->type == QDB_R_NOENT)
        return -ENOENT;
    return q->readonly ? -EPERM : -ENOSPC;
}

/* ask() where the only good answer is OK. */
static int ask_ok(struct qdb *q, enum qdb_type type, const char *path,
                  const void *val, size_t len)
{
    struct qdb_hdr hdr;
    const uint8_t *data;
    int r = ask(q, type, path, val, len, REQUEST_MS, &hdr, &data);

    if (r == 0 && hdr.type != QDB_R_OK)
        r = -EPROTO;
    if (r == 0)
        r = drain_events(q);
    return r;
}

void qdb_close(struct qdb *q)
{
    if (!q)
        return;
    while (!STAILQ_EMPTY(&q->queue)) {
        struct watch_event *e = STAILQ_FIRST(&q->queue);
        STAILQ_REMOVE_HEAD(&q->queue, link);
        free(e);
    }
    mem_close_p(&q->poll_fd);
    mem_close_p(&q->wake_fd);
    mem_close_p(&q->fd);
    free(q);
}

static int poll_add(int poll_fd, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN};

    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : err_last();
}

/* Takes the connection @p fd, also on failure. */
static int qdb_new(int fd, struct qdb **ret)
{
    struct qdb *q = calloc(1, sizeof(*q));
    int r = -ENOMEM;

    if (!q) {
        close(fd);
        return r;
    }
    STAILQ_INIT(&q->queue);
    q->fd = fd;
    q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    q->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = q->wake_fd < 0 || q->poll_fd < 0 ? err_last() : 0;
    if (r == 0)
        r = poll_add(q->poll_fd, q->fd);
    if (r == 0)
        r = poll_add(q->poll_fd, q->wake_fd);
    if (r < 0) {
        qdb_close(q);
        return r;
    }
    *ret = q;
    return 0;
}

/* One try: connect, and a first answer, which the daemon gives only when it
 * has its full copy. */
static int open_once(const char *path, int timeout_ms, struct qdb **ret)
{
    struct qdb_hdr hdr;
    const uint8_t *data;
    struct qdb *q = NULL;
    int fd = io_unix_connect(path);

    if (fd < 0)
        return fd;
    int r = qdb_new(fd, &q);
    if (r < 0)
        return r;
    r = ask(q, QDB_READ, "/name", NULL, 0, timeout_ms, &hdr, &data);
    if (r < 0 && r != -ENOENT) {
        qdb_close(q);
        return r;
    }
    *ret = q;
    return 0;
}

int qdb_open(const char *path, int timeout_ms, struct qdb **ret)
{
    const size_t suffix = strlen(RO_SUFFIX);
    uint64_t start = io_now_ms();
    int left = timeout_ms > 0 ? timeout_ms : 0;

    if (!path)
        path = QDB_SOCKET;
    for (;;) {
        int r = open_once(path, left > RETRY_MS ? left : RETRY_MS, ret);
        if (r == 0)
            break;
        uint64_t spent = io_now_ms() - start;
        if (r == -ETIMEDOUT || r == -ENOMEM ||
            spent + RETRY_MS >= (uint64_t)(timeout_ms > 0 ? timeout_ms : 0))
            return r;
        usleep(RETRY_MS * 1000);
        left = timeout_ms - (int)spent - RETRY_MS;
    }
    size_t len = strlen(path);
    (*ret)->readonly =
        len >= suffix && strcmp(path + len - suffix, RO_SUFFIX) == 0;
    return 0;
}

int qdb_fd(const struct qdb *q)
{
    return q->poll_fd;
}

int qdb_read(struct qdb *q, const char *path, char *buf, size_t cap)
{
    struct qdb_hdr hdr;
    const uint8_t *data;

    if (!qdb_path_is_key(path))
        return -EINVAL;
    int r = ask(q, QDB_READ, path, NULL, 0, REQUEST_MS, &hdr, &data);
    if (r < 0)
        return r;
    if (hdr.type != QDB_R_READ || strcmp(hdr.path, path) != 0)
        return -EPROTO;
    if (hdr.len < cap) {
        memcpy(buf, data, hdr.len);
        buf[hdr.len] = '\0';
    }
    r = drain_events(q);
    if (r < 0)
        return r;
    return hdr.len < cap ? (int)hdr.len : -ENOBUFS;
}

int qdb_write(struct qdb *q, const char *path, const void *val, size_t len)
{
    if (!qdb_path_is_key(path) || !qdb_value_ok(val, len))
        return -EINVAL;
    return ask_ok(q, QDB_WRITE, path, val, len);
}

int qdb_write_text(struct qdb *q, const char *path, const char *fmt, ...)
{
    char text[QDB_VALUE_MAX + 1];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(text))
        return -EINVAL;
    return qdb_write(q, path, text, (size_t)n);
}

int qdb_rm(struct qdb *q, const char *path)
{
    enum qdb_path_kind kind = qdb_path_kind(path, strnlen(path, QDB_PATH_MAX));

    if (kind != QDB_PATH_KEY && kind != QDB_PATH_SUBTREE)
        return -EINVAL;
    return ask_ok(q, QDB_RM, path, NULL, 0);
}

int qdb_watch(struct qdb *q, const char *path)
{
    enum qdb_path_kind kind = qdb_path_kind(path, strnlen(path, QDB_PATH_MAX));

    if (kind != QDB_PATH_KEY && kind != QDB_PATH_SUBTREE)
        return -EINVAL;
    return ask_ok(q, QDB_WATCH, path, NULL, 0);
}

int qdb_multiread(struct qdb *q, const char *prefix, qdb_entry_cb cb, void *arg)
{
    struct qdb_hdr hdr;
    const uint8_t *data;
    int result = 0;

    if (qdb_path_kind(prefix, strnlen(prefix, QDB_PATH_MAX)) == QDB_PATH_BAD)
        return -EINVAL;
    int r = ask(q, QDB_MULTIREAD, prefix, NULL, 0, REQUEST_MS, &hdr, &data);
    while (r == 0) {
        if (hdr.type != QDB_R_MULTIREAD)
            return -EPROTO;
        if (hdr.path[0] == '\0') {
            r = drain_events(q);
            break;
        }
        if (result == 0) {
            memcpy(q->value, data, hdr.len);
            q->value[hdr.len] = '\0';
            result = cb(hdr.path, q->value, hdr.len, arg);
            if (result > 0)
                result = 0;
        }
        r = answer(q, io_now_ms() + REQUEST_MS, &hdr, &data);
    }
    return r < 0 ? r : result;
}

int qdb_next_event(struct qdb *q, char ret[QDB_PATH_MAX])
{
    int r;

    do {
        r = drain_events(q);
        if (r < 0)
            return r;
    } while ((r = fill(q)) == 0);
    struct watch_event *e = STAILQ_FIRST(&q->queue);
    if (!e)
        return r == -EAGAIN ? 0 : r;
    memcpy(ret, e->path, sizeof(e->path));
    STAILQ_REMOVE_HEAD(&q->queue, link);
    free(e);
    if (--q->queued == 0)
        queue_wake(q, false);
    return 1;
}
