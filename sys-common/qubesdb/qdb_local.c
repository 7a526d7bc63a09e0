/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client of the daemon's local sockets. pure. See qdb_local.h. */
#include "qubesdb/qdb_local.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define OUT_FIRST 4096u

struct qdb_local {
    struct qdb_replica *rep;
    bool readonly;
    bool broken;
    enum qdb_type listing; /* QDB_R_MULTIREAD, QDB_R_LIST, or QDB_TYPES */
    char prefix[QDB_PATH_MAX];
    char listed[QDB_PATH_MAX]; /* last path of the listing; "" at first */
    char watch[QDB_LOCAL_WATCHES][QDB_PATH_MAX];
    size_t n_watch;
    size_t in_len;
    uint8_t in[QDB_MSG_MAX];
    uint8_t *out;
    size_t out_off, out_len, out_cap;
};

int qdb_local_new(struct qdb_replica *rep, bool readonly,
                  struct qdb_local **ret)
{
    struct qdb_local *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->rep = rep;
    c->readonly = readonly;
    c->listing = QDB_TYPES;
    *ret = c;
    return 0;
}

void qdb_local_free(struct qdb_local *c)
{
    if (!c)
        return;
    free(c->out);
    free(c);
}

uint8_t *qdb_local_in(struct qdb_local *c, size_t *ret_space)
{
    *ret_space = sizeof(c->in) - c->in_len;
    return c->in + c->in_len;
}

void qdb_local_in_done(struct qdb_local *c, size_t n)
{
    c->in_len += n;
}

/* Room for @p len more bytes at out + out_len. */
static bool out_room(struct qdb_local *c, size_t len)
{
    if (c->out_off > 0) {
        c->out_len -= c->out_off;
        memmove(c->out, c->out + c->out_off, c->out_len);
        c->out_off = 0;
    }
    if (c->out_cap - c->out_len >= len)
        return true;
    size_t cap = c->out_cap ? c->out_cap : OUT_FIRST;
    while (cap - c->out_len < len)
        cap *= 2;
    uint8_t *bigger = cap > QDB_LOCAL_OUT_MAX ? NULL : realloc(c->out, cap);
    if (!bigger)
        return false;
    c->out = bigger;
    c->out_cap = cap;
    return true;
}

static void emit(struct qdb_local *c, enum qdb_type type, const char *path,
                 const uint8_t *val, size_t len)
{
    if (c->broken || !out_room(c, QDB_HDR_BYTES + len)) {
        c->broken = true;
        return;
    }
    qdb_hdr_encode(c->out + c->out_len, type, path, len);
    if (len)
        memcpy(c->out + c->out_len + QDB_HDR_BYTES, val, len);
    c->out_len += QDB_HDR_BYTES + len;
}

/* Go on with a listing as long as there is room. */
static void list_more(struct qdb_local *c)
{
    const struct qdb_store *s = qdb_replica_store(c->rep);

    while (c->listing != QDB_TYPES &&
           c->out_len - c->out_off < QDB_LOCAL_OUT_HIGH && !c->broken) {
        const struct qdb_entry *e =
            qdb_store_next(s, c->prefix, c->listed[0] ? c->listed : NULL);
        if (!e) {
            emit(c, c->listing, "", NULL, 0);
            c->listing = QDB_TYPES;
            return;
        }
        bool values = c->listing == QDB_R_MULTIREAD;
        emit(c, c->listing, e->path, e->value, values ? e->len : 0);
        memcpy(c->listed, e->path, sizeof(c->listed));
    }
}

static void on_read(struct qdb_local *c, const char *path)
{
    const struct qdb_entry *e = qdb_store_find(qdb_replica_store(c->rep), path);

    if (e)
        emit(c, QDB_R_READ, path, e->value, e->len);
    else
        emit(c, QDB_R_NOENT, path, NULL, 0);
}

static void on_list(struct qdb_local *c, enum qdb_type type, const char *prefix)
{
    c->listing = type;
    memcpy(c->prefix, prefix, sizeof(c->prefix));
    c->listed[0] = '\0';
    list_more(c);
}

static enum qdb_type result_type(int r)
{
    if (r == 0)
        return QDB_R_OK;
    return r == -ENOENT ? QDB_R_NOENT : QDB_R_ERROR;
}

static void on_change(struct qdb_local *c, const struct qdb_hdr *hdr,
                      const uint8_t *data)
{
    int r = -EPERM;

    if (!c->readonly && hdr->type == QDB_WRITE)
        r = qdb_replica_write(c->rep, hdr->path, data, hdr->len);
    else if (!c->readonly)
        r = qdb_replica_rm(c->rep, hdr->path);
    emit(c, result_type(r), hdr->path, NULL, 0);
}

static size_t watch_index(const struct qdb_local *c, const char *path)
{
    size_t i = 0;

    while (i < c->n_watch && strcmp(c->watch[i], path) != 0)
        i++;
    return i;
}

static int watch_add(struct qdb_local *c, const char *path)
{
    if (watch_index(c, path) < c->n_watch)
        return 0;
    if (c->n_watch == QDB_LOCAL_WATCHES)
        return -ENOSPC;
    memcpy(c->watch[c->n_watch++], path, QDB_PATH_MAX);
    return 0;
}

static int watch_rm(struct qdb_local *c, const char *path)
{
    size_t i = watch_index(c, path);

    if (i == c->n_watch)
        return -ENOENT;
    c->n_watch--;
    memmove(c->watch[i], c->watch[c->n_watch], QDB_PATH_MAX);
    return 0;
}

static int handle(struct qdb_local *c, const struct qdb_hdr *hdr,
                  const uint8_t *data)
{
    switch (hdr->type) {
    case QDB_READ:
        on_read(c, hdr->path);
        return 0;
    case QDB_MULTIREAD:
        on_list(c, QDB_R_MULTIREAD, hdr->path);
        return 0;
    case QDB_LIST:
        on_list(c, QDB_R_LIST, hdr->path);
        return 0;
    case QDB_WRITE:
    case QDB_RM:
        on_change(c, hdr, data);
        return 0;
    case QDB_WATCH:
        emit(c, result_type(watch_add(c, hdr->path)), hdr->path, NULL, 0);
        return 0;
    case QDB_UNWATCH:
        emit(c, result_type(watch_rm(c, hdr->path)), hdr->path, NULL, 0);
        return 0;
    case QDB_R_OK:
    case QDB_R_NOENT:
    case QDB_R_ERROR:
    case QDB_R_READ:
    case QDB_R_MULTIREAD:
    case QDB_R_LIST:
    case QDB_R_WATCH:
    case QDB_TYPES:
        break;
    }
    return -EBADMSG; /* the codec lets none of these through */
}

int qdb_local_step(struct qdb_local *c)
{
    struct qdb_hdr hdr;
    const uint8_t *data;

    if (c->broken)
        return -ENOMEM;
    if (c->listing != QDB_TYPES ||
        c->out_len - c->out_off >= QDB_LOCAL_OUT_HIGH)
        return -EAGAIN;
    int n = qdb_msg_take(c->in, c->in_len, QDB_FROM_CLIENT, &hdr, &data);
    if (n <= 0)
        return n;
    int r = handle(c, &hdr, data);
    if (r < 0)
        return r;
    c->in_len -= (size_t)n;
    memmove(c->in, c->in + n, c->in_len);
    return 1;
}

const uint8_t *qdb_local_out(struct qdb_local *c, size_t *ret_len)
{
    list_more(c);
    *ret_len = c->out_len - c->out_off;
    return c->out ? c->out + c->out_off : c->in;
}

void qdb_local_out_done(struct qdb_local *c, size_t n)
{
    c->out_off += n;
}

void qdb_local_changed(struct qdb_local *c, const char *path)
{
    for (size_t i = 0; i < c->n_watch; i++) {
        if (qdb_watch_match(c->watch[i], path)) {
            emit(c, QDB_R_WATCH, path, NULL, 0);
            return;
        }
    }
}

bool qdb_local_broken(const struct qdb_local *c)
{
    return c->broken;
}
