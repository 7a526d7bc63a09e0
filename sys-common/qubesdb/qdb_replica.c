/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's copy of its QubesDB. pure. See qdb_replica.h. */
#include "qubesdb/qdb_replica.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

struct qdb_replica {
    struct qdb_store *store;
    struct qdb_link *link;
    qdb_changed_cb cb;
    void *arg;
};

static const struct qdb_limits replica_limits[QDB_OWNERS] = {
    [QDB_OWNER_DOM0] = {QDB_REPLICA_DOM0_ENTRIES, QDB_REPLICA_DOM0_BYTES},
    [QDB_OWNER_VM] = {QDB_REPLICA_VM_ENTRIES, QDB_REPLICA_VM_BYTES},
};

static int on_message(const struct qdb_hdr *hdr, const uint8_t *data,
                      void *arg);

int qdb_replica_new(qdb_changed_cb cb, void *arg, struct qdb_replica **ret)
{
    struct qdb_replica *rep = calloc(1, sizeof(*rep));

    if (!rep)
        return -ENOMEM;
    rep->cb = cb;
    rep->arg = arg;
    int r = qdb_store_new(replica_limits, &rep->store);
    if (r == 0)
        r = qdb_link_new(rep->store, QDB_FROM_DOM0, on_message, rep,
                         &rep->link);
    if (r < 0) {
        qdb_replica_free(rep);
        return r;
    }
    qdb_link_request_copy(rep->link);
    *ret = rep;
    return 0;
}

void qdb_replica_free(struct qdb_replica *r)
{
    if (!r)
        return;
    qdb_link_free(r->link);
    qdb_store_free(r->store);
    free(r);
}

struct qdb_link *qdb_replica_link(struct qdb_replica *r)
{
    return r->link;
}

const struct qdb_store *qdb_replica_store(const struct qdb_replica *r)
{
    return r->store;
}

bool qdb_replica_synced(const struct qdb_replica *r)
{
    return qdb_link_is_live(r->link);
}

static void changed(struct qdb_replica *rep, const char *path)
{
    if (qdb_replica_synced(rep))
        rep->cb(path, rep->arg);
}

/* Remove a key or each key of a subtree. @param by_dom0  it has done so
 * itself. @return keys removed */
static uint32_t rm_all(struct qdb_replica *rep, const char *path, bool by_dom0)
{
    bool subtree = path[strlen(path) - 1] == '/';
    char at[QDB_PATH_MAX] = "";
    const struct qdb_entry *e;
    uint32_t n = 0;

    for (;;) {
        if (subtree)
            e = qdb_store_next(rep->store, path, at[0] ? at : NULL);
        else
            e = n == 0 ? qdb_store_find(rep->store, path) : NULL;
        if (!e)
            return n;
        memcpy(at, e->path, sizeof(at));
        if (by_dom0)
            qdb_store_known(rep->store, QDB_LINK_QUEUE, at, false);
        qdb_store_rm(rep->store, at);
        n++;
        changed(rep, at);
    }
}

/* @return 0; -ENOSPC or -EDQUOT over the limits; -ENOMEM */
static int dom0_value(struct qdb_replica *rep, const struct qdb_hdr *hdr,
                      const uint8_t *data)
{
    int r = qdb_store_set(rep->store, hdr->path, data, hdr->len, QDB_OWNER_DOM0,
                          NULL);

    if (r < 0)
        return r;
    qdb_store_known(rep->store, QDB_LINK_QUEUE, hdr->path, true);
    changed(rep, hdr->path);
    return 0;
}

static int on_write(struct qdb_replica *rep, const struct qdb_hdr *hdr,
                    const uint8_t *data)
{
    int r = dom0_value(rep, hdr, data);

    if (r == -ENOMEM)
        return r;
    qdb_link_answer(rep->link, r < 0 ? QDB_R_ERROR : QDB_R_OK, hdr->path);
    return 0;
}

static int on_copy(struct qdb_replica *rep, const struct qdb_hdr *hdr,
                   const uint8_t *data)
{
    if (qdb_replica_synced(rep))
        return -EPROTO;
    if (hdr->path[0] == '\0') {
        qdb_link_live(rep->link);
        return 0;
    }
    /* A copy that does not fit would be a wrong one: end. */
    return dom0_value(rep, hdr, data);
}

static int on_message(const struct qdb_hdr *hdr, const uint8_t *data, void *arg)
{
    struct qdb_replica *rep = arg;

    switch (hdr->type) {
    case QDB_WRITE:
        return on_write(rep, hdr, data);
    case QDB_RM:
        /* Not there is fine too: both sides agree that it is gone. */
        rm_all(rep, hdr->path, true);
        qdb_store_known(rep->store, QDB_LINK_QUEUE, hdr->path, false);
        qdb_link_answer(rep->link, QDB_R_OK, hdr->path);
        return 0;
    case QDB_R_MULTIREAD:
        return on_copy(rep, hdr, data);
    case QDB_R_NOENT:
    case QDB_R_ERROR:
        /* dom0 did not take it: no RM must follow later. */
        qdb_store_known(rep->store, QDB_LINK_QUEUE, hdr->path, false);
        return 0;
    case QDB_R_OK:
        return 0;
    case QDB_READ:
    case QDB_MULTIREAD:
    case QDB_LIST:
    case QDB_WATCH:
    case QDB_UNWATCH:
    case QDB_R_READ:
    case QDB_R_LIST:
    case QDB_R_WATCH:
    case QDB_TYPES:
        break;
    }
    return -EPROTO;
}

int qdb_replica_write(struct qdb_replica *r, const char *path, const void *val,
                      size_t len)
{
    int err = qdb_store_set(r->store, path, val, len, QDB_OWNER_VM, NULL);

    if (err < 0)
        return err;
    qdb_store_queue(r->store, QDB_LINK_QUEUE, path);
    changed(r, path);
    return 0;
}

int qdb_replica_rm(struct qdb_replica *r, const char *path)
{
    return rm_all(r, path, false) > 0 ? 0 : -ENOENT;
}
