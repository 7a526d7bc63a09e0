/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of the QubesDB conversation over a vchan: bytes in, messages out
 * to a handler; answers, a full copy and queued changes of a store, bytes
 * out. pure. Fed by the other end (in dom0: a hostile VM). spec/qubesdb.md,
 * "QubesDB wire format". Holds one message each way and a few answers,
 * whatever the peer does. Does no I/O and knows no time. */
#ifndef SQ_QUBESDB_QDB_LINK_H
#define SQ_QUBESDB_QDB_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qubesdb/qdb_msg.h"
#include "qubesdb/qdb_store.h"

#define QDB_LINK_ANSWERS 32u /* waiting to be written; then reading stops */
#define QDB_LINK_QUEUE 0u    /* the store's queue towards the peer */

/** Handle one checked message. It may call the qdb_link_* verbs below.
 *  @param data  hdr->len bytes, borrowed
 *  @return 0; -EAGAIN not now: the same message comes again at a later step;
 *  another -errno: the link is refused */
typedef int (*qdb_link_cb)(const struct qdb_hdr *hdr, const uint8_t *data,
                           void *arg);

struct qdb_link;

/** @param store  whose queue 0 goes to the peer; borrowed, outlives the link
 *  @param from   the origin of what is read here: VM or DOM0
 *  @param ret    freed by qdb_link_free() (NULL is fine)
 *  @return 0; -ENOMEM */
int qdb_link_new(struct qdb_store *store, enum qdb_from from, qdb_link_cb cb,
                 void *arg, struct qdb_link **ret);
void qdb_link_free(struct qdb_link *l);

/** Where the peer's next bytes go. @param ret_space  at least 1 as long as
 *  qdb_link_step() was called until it returned something but 1 */
uint8_t *qdb_link_in(struct qdb_link *l, size_t *ret_space);
/** @p n bytes were put there. */
void qdb_link_in_done(struct qdb_link *l, size_t n);

/** Handle the next message.
 *  @return 1 one was handled; 0 more bytes are needed; -EAGAIN not now: the
 *  answers must be written first, or the handler said so; -EMSGSIZE,
 *  -EBADMSG, -EPROTO refused; -errno of the handler */
int qdb_link_step(struct qdb_link *l);

/** The next bytes for the peer; 0 in @p ret_len when there are none.
 *  Borrowed until qdb_link_out_done(). */
const uint8_t *qdb_link_out(struct qdb_link *l, size_t *ret_len);
/** @p n of them were written. */
void qdb_link_out_done(struct qdb_link *l, size_t n);

/** Verbs of the handler: answer a request (@p type R_OK, R_NOENT, R_ERROR).
 *  There is always room for one per handled message. */
void qdb_link_answer(struct qdb_link *l, enum qdb_type type, const char *path);
/** Send the one request of a VM for a full copy. */
void qdb_link_request_copy(struct qdb_link *l);
/** Begin to send the full copy (in descending order, as the existing
 *  daemons do); when it is out the queued changes follow by themselves. */
void qdb_link_send_copy(struct qdb_link *l);
/** The full copy has come in: queued changes may go out. */
void qdb_link_live(struct qdb_link *l);
/** Are changes flowing (both: copy sent, copy received)? */
bool qdb_link_is_live(const struct qdb_link *l);
/** A request of ours was answered. @return 0; -EPROTO none was open */
int qdb_link_answered(struct qdb_link *l);

#endif
