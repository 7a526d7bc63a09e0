/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records between sysqubed and its worker of one domain, sysqube-qdb: one
 * SOCK_SEQPACKET message of fixed size each, another struct per direction.
 * pure. Down records come from sysqubed (trusted, checked all the same); up
 * records come from a process that parses a hostile VM: sysqubed must call
 * qdb_rec_up_check() on each before it looks at a field.
 *
 * Life of a worker, as sysqubed sees it:
 *   privsep_spawn("sysqube-qdb", "--domid" N "--body" xen|unix
 *                 ["--dir" DIR] ["--root" DIR] "--uid" U)
 *                 U: see qdb_worker_uid(); --root: an empty folder
 *   SET... SYNCED      the whole desired state, then the VM is answered
 *   <- CONNECTED       the VM has attached and has the whole state
 *   SET, RM            changes at any time, before or after CONNECTED
 *   <- STATUS, STATUS_RM  what the VM reports, 50 a second at most, last
 *                      value wins; may come before CONNECTED
 *   <- REFUSED         the VM went over a limit; the worker lives on, unless
 *                      qdb_refused_fatal(reason)
 *   <- CLOSED, EOF     the worker ended: start a new one (with back-off) and
 *                      give it the whole state again; on xen remove
 *                      data/vchan/<domid>/111 from xenstore first, as the
 *                      confined worker cannot
 *   QUIT, or closing the socket, ends it.
 * The worker always reads its socket, however stuck the VM is: what the VM
 * has not yet taken waits in the worker's bounded store, the last value per
 * path. The kernel buffers only some 40 records, though: on -EAGAIN wait for
 * LOOP_WRITE and go on with the same record. Does no I/O. */
#ifndef SQ_QUBESDB_QDB_RECORD_H
#define SQ_QUBESDB_QDB_RECORD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QDB_REC_PATH 64        /* QDB_PATH_MAX, NUL padded */
#define QDB_REC_VALUE 3072     /* QDB_VALUE_MAX and one unused byte */
#define QDB_REC_STATUS_MAX 511 /* bytes of a status value, printable ASCII */

enum qdb_rec_type {
    /* sysqubed to worker */
    QDB_REC_SET = 1,
    QDB_REC_RM = 2, /* a key, or a subtree if the path ends with '/' */
    QDB_REC_SYNCED = 3,
    QDB_REC_QUIT = 4,
    /* worker to sysqubed */
    QDB_REC_STATUS = 17,
    QDB_REC_STATUS_RM = 18, /* always one key */
    QDB_REC_CONNECTED = 19,
    QDB_REC_CLOSED = 20,  /* enum qdb_closed; the worker's last record */
    QDB_REC_REFUSED = 21, /* enum qdb_refused, with a count */
};

enum qdb_closed {
    QDB_CLOSED_PEER = 1,     /* the VM's side went away */
    QDB_CLOSED_CHANNEL = 2,  /* the channel failed */
    QDB_CLOSED_REFUSED = 3,  /* a fatal REFUSED came just before */
    QDB_CLOSED_INTERNAL = 4, /* the worker's own failure (memory) */
};

enum qdb_refused {
    QDB_REFUSED_FORMAT = 1,  /* fatal: type, path, length rule, NUL byte */
    QDB_REFUSED_SIZE = 2,    /* fatal: message over 72 + 3071 bytes */
    QDB_REFUSED_STATE = 3,   /* fatal: a second MULTIREAD, ... */
    QDB_REFUSED_RING = 4,    /* fatal: impossible ring indexes */
    QDB_REFUSED_ENTRIES = 5, /* VM-written entries over the limit */
    QDB_REFUSED_BYTES = 6,   /* VM-written bytes over the limit */
    QDB_REFUSED_RATE = 7,    /* reading was paused: too many messages */
    QDB_REFUSED_STATUS = 8,  /* status too long or not printable */
    QDB_REFUSED_DESIRED = 9, /* sysqubed's own SETs went over the limits */
};

struct qdb_rec_down {
    uint32_t type; /* QDB_REC_SET .. QDB_REC_QUIT */
    uint32_t len;  /* SET: 0..3071; else 0 */
    char path[QDB_REC_PATH];
    uint8_t value[QDB_REC_VALUE]; /* SET; zero behind len */
};
static_assert(sizeof(struct qdb_rec_down) == 3144, "record layout");

struct qdb_rec_up {
    uint32_t type;   /* QDB_REC_STATUS .. QDB_REC_REFUSED */
    uint32_t len;    /* STATUS: 0..511; else 0 */
    uint32_t reason; /* CLOSED: enum qdb_closed; REFUSED: enum qdb_refused */
    uint32_t count;  /* REFUSED: times since the last such record, >= 1 */
    char path[QDB_REC_PATH];            /* STATUS, STATUS_RM */
    char value[QDB_REC_STATUS_MAX + 1]; /* STATUS; NUL behind len */
};
static_assert(sizeof(struct qdb_rec_up) == 592, "record layout");

/** Fill a down record.
 *  @param path  key, NUL terminated; for RM also "subtree/"
 *  @param val   @p len bytes without a NUL, may be NULL if @p len is 0
 *  @return 0; -EINVAL path; -ENOBUFS @p len over QDB_VALUE_MAX; -EBADMSG a
 *  NUL in the value. Nothing is written on failure. */
int qdb_rec_set(struct qdb_rec_down *ret, const char *path, const void *val,
                size_t len);
int qdb_rec_rm(struct qdb_rec_down *ret, const char *path);
/** QDB_REC_SYNCED or QDB_REC_QUIT. */
void qdb_rec_down_plain(struct qdb_rec_down *ret, enum qdb_rec_type type);

/** Every rule of a down record: type, path, length, zero where unused.
 *  @return 0; -EBADMSG */
int qdb_rec_down_check(const struct qdb_rec_down *untrusted);

/** Fill an up record.
 *  @return 0; -EINVAL @p path is not below a status prefix; -ENOBUFS too
 *  long; -EBADMSG not printable. Nothing is written on failure. */
int qdb_rec_status(struct qdb_rec_up *ret, const char *path, const void *val,
                   size_t len);
int qdb_rec_status_rm(struct qdb_rec_up *ret, const char *path);
void qdb_rec_connected(struct qdb_rec_up *ret);
void qdb_rec_closed(struct qdb_rec_up *ret, enum qdb_closed reason);
void qdb_rec_refused(struct qdb_rec_up *ret, enum qdb_refused reason,
                     uint32_t count);

/** Every rule of an up record: known type, enum in range, path charset and
 *  status prefix, NUL padding, length, printable value, zero where unused.
 *  After success the path and the value are plain C strings.
 *  @return 0; -EBADMSG: the worker is not to be trusted any more, kill it */
int qdb_rec_up_check(const struct qdb_rec_up *untrusted);

/** May dom0 take this key from the VM? True below /sysqube-status/,
 *  /qubes-firewall-handled/ and /qubes-usb-devices/.
 *  @param path  a checked key */
bool qdb_status_path(const char *path);

bool qdb_refused_fatal(enum qdb_refused reason);
/** Text for a person; static; never NULL, whatever the number. */
const char *qdb_closed_text(uint32_t reason);
const char *qdb_refused_text(uint32_t reason);

/** The uid (and gid) of a domain's worker: 64000 + domid modulo 1000. */
uid_t qdb_worker_uid(uint32_t domid);

#endif
