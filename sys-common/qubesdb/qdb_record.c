/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records between sysqubed and its workers: fill and check. pure. See
 * qdb_record.h. */
#include "qubesdb/qdb_record.h"

#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/parse.h"
#include "qubesdb/qdb_msg.h"

static_assert(QDB_REC_PATH == QDB_PATH_MAX, "same path on both ways");
static_assert(QDB_REC_VALUE == QDB_VALUE_MAX + 1, "same value on both ways");

#define WORKER_UID_BASE 64000u
#define WORKER_UIDS 1000u

static const char *const status_prefixes[] = {
    "/sysqube-status/",
    "/qubes-firewall-handled/",
    "/qubes-usb-devices/",
};

static const char *const closed_texts[] = {
    [QDB_CLOSED_PEER] = "the qube's side went away",
    [QDB_CLOSED_CHANNEL] = "the channel failed",
    [QDB_CLOSED_REFUSED] = "the qube broke the protocol",
    [QDB_CLOSED_INTERNAL] = "the worker failed",
};

static const char *const refused_texts[] = {
    [QDB_REFUSED_FORMAT] = "malformed message",
    [QDB_REFUSED_SIZE] = "message too long",
    [QDB_REFUSED_STATE] = "message out of order",
    [QDB_REFUSED_RING] = "impossible ring indexes",
    [QDB_REFUSED_ENTRIES] = "too many entries",
    [QDB_REFUSED_BYTES] = "too many bytes",
    [QDB_REFUSED_RATE] = "too many messages, slowed down",
    [QDB_REFUSED_STATUS] = "status too long or not printable",
    [QDB_REFUSED_DESIRED] = "too much desired state, some was left out",
};

const char *qdb_closed_text(uint32_t reason)
{
    if (reason >= ARRAY_LEN(closed_texts) || !closed_texts[reason])
        return "unknown";
    return closed_texts[reason];
}

const char *qdb_refused_text(uint32_t reason)
{
    if (reason >= ARRAY_LEN(refused_texts) || !refused_texts[reason])
        return "unknown";
    return refused_texts[reason];
}

bool qdb_refused_fatal(enum qdb_refused reason)
{
    return reason >= QDB_REFUSED_FORMAT && reason <= QDB_REFUSED_RING;
}

uid_t qdb_worker_uid(uint32_t domid)
{
    return WORKER_UID_BASE + domid % WORKER_UIDS;
}

bool qdb_status_path(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(status_prefixes); i++) {
        size_t len = strlen(status_prefixes[i]);
        if (strncmp(path, status_prefixes[i], len) == 0 && path[len])
            return true;
    }
    return false;
}

static bool all_zero(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

/* Kind of a fixed-size path that must be NUL padded to its end. */
static enum qdb_path_kind rec_path_kind(const char path[QDB_REC_PATH])
{
    size_t len = strnlen(path, QDB_REC_PATH);

    if (len == QDB_REC_PATH || !all_zero(path + len, QDB_REC_PATH - len))
        return QDB_PATH_BAD;
    return qdb_path_kind(path, len);
}

int qdb_rec_set(struct qdb_rec_down *ret, const char *path, const void *val,
                size_t len)
{
    if (!qdb_path_is_key(path))
        return -EINVAL;
    if (len > QDB_VALUE_MAX)
        return -ENOBUFS;
    if (!qdb_value_ok(val, len))
        return -EBADMSG;
    memset(ret, 0, sizeof(*ret));
    ret->type = QDB_REC_SET;
    ret->len = (uint32_t)len;
    memcpy(ret->path, path, strlen(path));
    if (len)
        memcpy(ret->value, val, len);
    return 0;
}

int qdb_rec_rm(struct qdb_rec_down *ret, const char *path)
{
    size_t len = strnlen(path, QDB_PATH_MAX);
    enum qdb_path_kind kind = qdb_path_kind(path, len);

    if (kind != QDB_PATH_KEY && kind != QDB_PATH_SUBTREE)
        return -EINVAL;
    memset(ret, 0, sizeof(*ret));
    ret->type = QDB_REC_RM;
    memcpy(ret->path, path, len);
    return 0;
}

void qdb_rec_down_plain(struct qdb_rec_down *ret, enum qdb_rec_type type)
{
    memset(ret, 0, sizeof(*ret));
    ret->type = type;
}

int qdb_rec_down_check(const struct qdb_rec_down *untrusted)
{
    enum qdb_path_kind kind = rec_path_kind(untrusted->path);
    uint32_t len = untrusted->len;

    if (len > QDB_VALUE_MAX ||
        !all_zero(untrusted->value + len, sizeof(untrusted->value) - len))
        return -EBADMSG;
    switch (untrusted->type) {
    case QDB_REC_SET:
        return kind == QDB_PATH_KEY && qdb_value_ok(untrusted->value, len)
                   ? 0
                   : -EBADMSG;
    case QDB_REC_RM:
        return len == 0 && (kind == QDB_PATH_KEY || kind == QDB_PATH_SUBTREE)
                   ? 0
                   : -EBADMSG;
    case QDB_REC_SYNCED:
    case QDB_REC_QUIT:
        return len == 0 && kind == QDB_PATH_EMPTY ? 0 : -EBADMSG;
    default:
        return -EBADMSG;
    }
}

static void up_plain(struct qdb_rec_up *ret, enum qdb_rec_type type)
{
    memset(ret, 0, sizeof(*ret));
    ret->type = type;
}

int qdb_rec_status(struct qdb_rec_up *ret, const char *path, const void *val,
                   size_t len)
{
    if (!qdb_path_is_key(path) || !qdb_status_path(path))
        return -EINVAL;
    if (len > QDB_REC_STATUS_MAX)
        return -ENOBUFS;
    if (len && !text_printable((struct text){.p = val, .len = len}))
        return -EBADMSG;
    up_plain(ret, QDB_REC_STATUS);
    ret->len = (uint32_t)len;
    memcpy(ret->path, path, strlen(path));
    if (len)
        memcpy(ret->value, val, len);
    return 0;
}

int qdb_rec_status_rm(struct qdb_rec_up *ret, const char *path)
{
    if (!qdb_path_is_key(path) || !qdb_status_path(path))
        return -EINVAL;
    up_plain(ret, QDB_REC_STATUS_RM);
    memcpy(ret->path, path, strlen(path));
    return 0;
}

void qdb_rec_connected(struct qdb_rec_up *ret)
{
    up_plain(ret, QDB_REC_CONNECTED);
}

void qdb_rec_closed(struct qdb_rec_up *ret, enum qdb_closed reason)
{
    up_plain(ret, QDB_REC_CLOSED);
    ret->reason = reason;
}

void qdb_rec_refused(struct qdb_rec_up *ret, enum qdb_refused reason,
                     uint32_t count)
{
    up_plain(ret, QDB_REC_REFUSED);
    ret->reason = reason;
    ret->count = count;
}

/* Path and value of STATUS and STATUS_RM. */
static bool status_ok(const struct qdb_rec_up *rec)
{
    return rec_path_kind(rec->path) == QDB_PATH_KEY &&
           qdb_status_path(rec->path) &&
           text_printable((struct text){.p = rec->value, .len = rec->len});
}

int qdb_rec_up_check(const struct qdb_rec_up *untrusted)
{
    const struct qdb_rec_up *u = untrusted;
    bool ok;

    if (u->len > QDB_REC_STATUS_MAX ||
        !all_zero(u->value + u->len, sizeof(u->value) - u->len))
        return -EBADMSG;
    bool bare = u->len == 0 && all_zero(u->path, sizeof(u->path));
    switch (u->type) {
    case QDB_REC_STATUS:
        ok = status_ok(u) && u->reason == 0 && u->count == 0;
        break;
    case QDB_REC_STATUS_RM:
        ok = status_ok(u) && u->len == 0 && u->reason == 0 && u->count == 0;
        break;
    case QDB_REC_CONNECTED:
        ok = bare && u->reason == 0 && u->count == 0;
        break;
    case QDB_REC_CLOSED:
        ok = bare && u->reason >= QDB_CLOSED_PEER &&
             u->reason <= QDB_CLOSED_INTERNAL && u->count == 0;
        break;
    case QDB_REC_REFUSED:
        ok = bare && u->reason >= QDB_REFUSED_FORMAT &&
             u->reason <= QDB_REFUSED_DESIRED && u->count > 0;
        break;
    default:
        ok = false;
    }
    return ok ? 0 : -EBADMSG;
}
