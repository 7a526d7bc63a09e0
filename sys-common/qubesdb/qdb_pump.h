/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moves bytes between a vchan and a qdb_link. effect. Fed by the peer; looks
 * at nothing itself. Bounded work per call, never waits. */
#ifndef SQ_QUBESDB_QDB_PUMP_H
#define SQ_QUBESDB_QDB_PUMP_H

#include "qubesdb/qdb_link.h"
#include "vchan/vchan.h"

enum qdb_pump {
    QDB_PUMP_IDLE,    /* wait for vchan_events(), or for time to pass */
    QDB_PUMP_MORE,    /* call again soon, let others have a turn first */
    QDB_PUMP_CLOSED,  /* the peer has gone and all it sent was read */
    QDB_PUMP_RING,    /* its ring indexes are impossible */
    QDB_PUMP_CHANNEL, /* the channel failed */
    QDB_PUMP_REFUSED, /* the step failed */
};

/** As qdb_link_step(). */
typedef int (*qdb_step_cb)(void *arg);

/** Read, step and write until nothing more can be done now, or the turn's
 *  budget is used up.
 *  @param ret_err  written unless IDLE or MORE: -errno behind the result */
enum qdb_pump qdb_pump(struct vchan *v, struct qdb_link *l, qdb_step_cb step,
                       void *arg, int *ret_err);

#endif
