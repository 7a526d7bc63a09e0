/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of the QubesDB conversation over a vchan. pure. See qdb_link.h. */
#include "qubesdb/qdb_link.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

enum link_phase {
    LINK_START, /* answers only */
    LINK_COPY,  /* our full copy is going out */
    LINK_LIVE,
};

struct answer {
    enum qdb_type type;
    char path[QDB_PATH_MAX];
};

struct qdb_link {
    struct qdb_store *store;
    enum qdb_from from;
    qdb_link_cb cb;
    void *arg;
    enum link_phase phase;
    uint32_t unanswered;       /* WRITE and RM sent */
    char copied[QDB_PATH_MAX]; /* last path of the copy; "" at first */
    struct answer answers[QDB_LINK_ANSWERS];
    size_t first_answer, n_answers; /* a ring */
    size_t in_len;
    size_t out_off, out_len;
    uint8_t in[QDB_MSG_MAX];
    uint8_t out[QDB_MSG_MAX];
};

int qdb_link_new(struct qdb_store *store, enum qdb_from from, qdb_link_cb cb,
                 void *arg, struct qdb_link **ret)
{
    struct qdb_link *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->store = store;
    l->from = from;
    l->cb = cb;
    l->arg = arg;
    *ret = l;
    return 0;
}

void qdb_link_free(struct qdb_link *l)
{
    free(l);
}

uint8_t *qdb_link_in(struct qdb_link *l, size_t *ret_space)
{
    *ret_space = sizeof(l->in) - l->in_len;
    return l->in + l->in_len;
}

void qdb_link_in_done(struct qdb_link *l, size_t n)
{
    l->in_len += n;
}

int qdb_link_step(struct qdb_link *l)
{
    struct qdb_hdr hdr;
    const uint8_t *data;

    if (l->n_answers == QDB_LINK_ANSWERS)
        return -EAGAIN;
    int n = qdb_msg_take(l->in, l->in_len, l->from, &hdr, &data);
    if (n <= 0)
        return n;
    int r = l->cb(&hdr, data, l->arg);
    if (r < 0)
        return r;
    l->in_len -= (size_t)n;
    memmove(l->in, l->in + n, l->in_len);
    return 1;
}

static void emit(struct qdb_link *l, enum qdb_type type, const char *path,
                 const uint8_t *val, size_t len)
{
    qdb_hdr_encode(l->out, type, path, len);
    if (len)
        memcpy(l->out + QDB_HDR_BYTES, val, len);
    l->out_len = QDB_HDR_BYTES + len;
    l->out_off = 0;
}

static void emit_copy(struct qdb_link *l)
{
    const struct qdb_entry *e =
        qdb_store_prev(l->store, l->copied[0] ? l->copied : NULL);

    if (!e) {
        emit(l, QDB_R_MULTIREAD, "", NULL, 0);
        l->phase = LINK_LIVE;
        return;
    }
    emit(l, QDB_R_MULTIREAD, e->path, e->value, e->len);
    memcpy(l->copied, e->path, sizeof(l->copied));
    /* Changed while the copy runs: it is sent again, so that the order of
     * the changes, on which signal keys rely, is kept. */
    qdb_store_told(l->store, QDB_LINK_QUEUE, l->copied);
}

static void emit_change(struct qdb_link *l)
{
    const struct qdb_entry *e = qdb_store_head(l->store, QDB_LINK_QUEUE);

    if (!e)
        return;
    if (e->dead)
        emit(l, QDB_RM, e->path, NULL, 0);
    else
        emit(l, QDB_WRITE, e->path, e->value, e->len);
    l->unanswered++;
    qdb_store_pop(l->store, QDB_LINK_QUEUE);
}

const uint8_t *qdb_link_out(struct qdb_link *l, size_t *ret_len)
{
    if (l->out_off == l->out_len) {
        l->out_off = l->out_len = 0;
        if (l->n_answers > 0) {
            const struct answer *a = &l->answers[l->first_answer];
            emit(l, a->type, a->path, NULL, 0);
            l->first_answer = (l->first_answer + 1) % QDB_LINK_ANSWERS;
            l->n_answers--;
        } else if (l->phase == LINK_COPY) {
            emit_copy(l);
        } else if (l->phase == LINK_LIVE) {
            emit_change(l);
        }
    }
    *ret_len = l->out_len - l->out_off;
    return l->out + l->out_off;
}

void qdb_link_out_done(struct qdb_link *l, size_t n)
{
    l->out_off += n;
}

void qdb_link_answer(struct qdb_link *l, enum qdb_type type, const char *path)
{
    struct answer *a =
        &l->answers[(l->first_answer + l->n_answers) % QDB_LINK_ANSWERS];

    if (l->n_answers == QDB_LINK_ANSWERS)
        return; /* qdb_link_step() keeps room */
    a->type = type;
    memcpy(a->path, path, strnlen(path, QDB_PATH_MAX - 1) + 1);
    l->n_answers++;
}

void qdb_link_request_copy(struct qdb_link *l)
{
    emit(l, QDB_MULTIREAD, "", NULL, 0);
}

void qdb_link_send_copy(struct qdb_link *l)
{
    const struct qdb_entry *e;
    char path[QDB_PATH_MAX];

    /* The copy says it all. */
    while ((e = qdb_store_head(l->store, QDB_LINK_QUEUE))) {
        memcpy(path, e->path, sizeof(path));
        qdb_store_known(l->store, QDB_LINK_QUEUE, path, false);
    }
    l->phase = LINK_COPY;
    l->copied[0] = '\0';
}

void qdb_link_live(struct qdb_link *l)
{
    l->phase = LINK_LIVE;
}

bool qdb_link_is_live(const struct qdb_link *l)
{
    return l->phase == LINK_LIVE;
}

int qdb_link_answered(struct qdb_link *l)
{
    if (l->unanswered == 0)
        return -EPROTO;
    l->unanswered--;
    return 0;
}
