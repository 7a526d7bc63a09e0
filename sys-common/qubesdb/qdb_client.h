/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Client of the local QubesDB daemon (unix socket; wire format of
 * spec/qubesdb.md). effect. The daemon is trusted, its answers are decoded
 * by the checked codec all the same. Requests wait for their answer (5 s at
 * most); watch events that come in between are queued. */
#ifndef SQ_QUBESDB_QDB_CLIENT_H
#define SQ_QUBESDB_QDB_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#define QDB_PATH_MAX 64    /* with its NUL */
#define QDB_VALUE_MAX 3071 /* bytes */
#define QDB_SOCKET "/run/qubes/qubesdb.sock"
#define QDB_SOCKET_RO "/run/qubes/qubesdb.ro.sock"

struct qdb;

/** Connect, trying again every 100 ms until @p timeout_ms passed.
 *  @param path  socket, NULL for QDB_SOCKET
 *  @return 0; -errno of the last try; -ETIMEDOUT the daemon is there but
 *  has not yet got its first full copy from dom0 (it accepts only then) */
int qdb_open(const char *path, int timeout_ms, struct qdb **ret);
void qdb_close(struct qdb *q);

/** Descriptor to watch for LOOP_READ: watch events or the daemon's end. It
 *  is ready as long as events are queued, also those that came in between a
 *  request and its answer; only for polling, never for reading. */
int qdb_fd(const struct qdb *q);

/** Read one key. @param buf receives the value and a NUL
 *  @return length; -ENOENT; -ENOBUFS; -ECONNRESET daemon gone; -errno */
int qdb_read(struct qdb *q, const char *path, char *buf, size_t cap);

/** Write one key (a signal key has len 0). @return 0; -EPERM read-only
 *  socket; -ENOSPC daemon full; -EINVAL path; -ECONNRESET; -errno */
int qdb_write(struct qdb *q, const char *path, const void *val, size_t len);
/** qdb_write() of a text. */
int qdb_write_text(struct qdb *q, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Remove a key, or a subtree if @p path ends with '/'.
 *  @return 0; -ENOENT; -errno */
int qdb_rm(struct qdb *q, const char *path);

/** Called per entry; @p val is NUL terminated behind @p len bytes; both are
 *  borrowed for the call. A return < 0 stops and becomes the result. Must
 *  not use the same connection. */
typedef int (*qdb_entry_cb)(const char *path, const char *val, size_t len,
                            void *arg);
/** All keys that begin with the string @p prefix, in ascending order.
 *  @return 0; -errno; the callback's error */
int qdb_multiread(struct qdb *q, const char *prefix, qdb_entry_cb cb,
                  void *arg);

/** Watch a key, or a subtree if @p path ends with '/'. @return 0; -errno */
int qdb_watch(struct qdb *q, const char *path);

/** Next queued watch event without waiting. A path changed many times
 *  meanwhile comes once: read the key for its present value.
 *  @return 1 with the path in @p ret; 0 none; -ECONNRESET; -errno */
int qdb_next_event(struct qdb *q, char ret[QDB_PATH_MAX]);

#endif
