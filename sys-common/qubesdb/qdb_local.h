/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client of the daemon's local sockets: its requests, its watches and
 * what it is still to be sent. pure. Fed by local processes, among them
 * stock QubesDB clients (any local user on the read-only socket: hostile).
 * Bounded: one message in, QDB_LOCAL_OUT_MAX out; a listing is made as the
 * client reads it. Does no I/O. */
#ifndef SQ_QUBESDB_QDB_LOCAL_H
#define SQ_QUBESDB_QDB_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qubesdb/qdb_replica.h"

#define QDB_LOCAL_WATCHES 64u
#define QDB_LOCAL_OUT_MAX (256u * 1024)
#define QDB_LOCAL_OUT_HIGH (32u * 1024) /* requests wait above this */

struct qdb_local;

/** @param rep       borrowed, outlives the client
 *  @param readonly  WRITE and RM are answered ERROR
 *  @param ret       freed by qdb_local_free() (NULL is fine)
 *  @return 0; -ENOMEM */
int qdb_local_new(struct qdb_replica *rep, bool readonly,
                  struct qdb_local **ret);
void qdb_local_free(struct qdb_local *c);

/** As qdb_link_in(), qdb_link_in_done(). */
uint8_t *qdb_local_in(struct qdb_local *c, size_t *ret_space);
void qdb_local_in_done(struct qdb_local *c, size_t n);

/** Handle the next request.
 *  @return 1 one was handled; 0 more bytes are needed; -EAGAIN write first;
 *  -EBADMSG, -EMSGSIZE, -ENOMEM: drop the client */
int qdb_local_step(struct qdb_local *c);

/** The next bytes for the client, as qdb_link_out(). */
const uint8_t *qdb_local_out(struct qdb_local *c, size_t *ret_len);
void qdb_local_out_done(struct qdb_local *c, size_t n);

/** A key changed: an event if the client watches it. */
void qdb_local_changed(struct qdb_local *c, const char *path);

/** Must the client be dropped (it does not read its events; memory)? */
bool qdb_local_broken(const struct qdb_local *c);

#endif
