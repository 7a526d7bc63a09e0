/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moves bytes between a vchan and a qdb_link. effect. See qdb_pump.h. */
#include "qubesdb/qdb_pump.h"

#include "lib/err.h"

#define TURN_STEPS 64u

static enum qdb_pump channel_end(ssize_t err, int *ret_err)
{
    *ret_err = (int)err;
    if (err == -ECONNRESET)
        return QDB_PUMP_CLOSED;
    return err == -EPROTO ? QDB_PUMP_RING : QDB_PUMP_CHANNEL;
}

/* Handle what has come. @return IDLE nothing more (or not wanted now) */
static enum qdb_pump pump_in(struct vchan *v, struct qdb_link *l,
                             qdb_step_cb step, void *arg, unsigned *budget,
                             int *ret_err)
{
    while (*budget > 0) {
        int r = step(arg);
        if (r == 1) {
            (*budget)--;
            continue;
        }
        vchan_want_read(v, r != -EAGAIN);
        if (r == -EAGAIN)
            return QDB_PUMP_IDLE;
        if (r < 0) {
            *ret_err = r;
            return QDB_PUMP_REFUSED;
        }
        size_t space;
        uint8_t *to = qdb_link_in(l, &space);
        ssize_t n = vchan_read(v, to, space);
        if (n < 0)
            return channel_end(n, ret_err);
        if (n == 0)
            return QDB_PUMP_IDLE;
        qdb_link_in_done(l, (size_t)n);
    }
    return QDB_PUMP_MORE;
}

/* Write what waits. @return IDLE nothing more, or no room */
static enum qdb_pump pump_out(struct vchan *v, struct qdb_link *l,
                              unsigned *budget, int *ret_err)
{
    while (*budget > 0) {
        size_t len;
        const uint8_t *out = qdb_link_out(l, &len);
        if (len == 0)
            return QDB_PUMP_IDLE;
        ssize_t n = vchan_write(v, out, len);
        if (n < 0)
            return channel_end(n, ret_err);
        qdb_link_out_done(l, (size_t)n);
        if ((size_t)n < len)
            return QDB_PUMP_IDLE;
        (*budget)--;
    }
    return QDB_PUMP_MORE;
}

enum qdb_pump qdb_pump(struct vchan *v, struct qdb_link *l, qdb_step_cb step,
                       void *arg, int *ret_err)
{
    unsigned reads = TURN_STEPS, writes = TURN_STEPS, before;
    enum qdb_pump p;

    /* Writing answers may make room for reading, and reading for more. */
    do {
        before = reads + writes;
        p = pump_in(v, l, step, arg, &reads, ret_err);
        if (p != QDB_PUMP_IDLE && p != QDB_PUMP_MORE)
            return p;
        enum qdb_pump o = pump_out(v, l, &writes, ret_err);
        if (o != QDB_PUMP_IDLE)
            p = o;
    } while (p == QDB_PUMP_IDLE && reads + writes < before);
    return p;
}
