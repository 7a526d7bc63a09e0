/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QubesDB wire format. pure. See qdb_msg.h. */
#include "qubesdb/qdb_msg.h"

#include <assert.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

#define PATH_E 1u /* empty path */
#define PATH_K 2u /* key */
#define PATH_S 4u /* subtree */
#define FROM(x) (1u << (x))

/* One row a type: who may send it, the paths it takes, whether data follows.
 * A prefix (MULTIREAD, LIST) is a plain string: key, subtree or empty. */
static const struct {
    unsigned from;
    unsigned paths;
    bool data;
} msg_rules[] = {
    [QDB_READ] = {FROM(QDB_FROM_CLIENT), PATH_K, false},
    [QDB_WRITE] = {FROM(QDB_FROM_VM) | FROM(QDB_FROM_DOM0) |
                       FROM(QDB_FROM_CLIENT),
                   PATH_K, true},
    [QDB_MULTIREAD] = {FROM(QDB_FROM_VM) | FROM(QDB_FROM_CLIENT),
                       PATH_E | PATH_K | PATH_S, false},
    [QDB_LIST] = {FROM(QDB_FROM_CLIENT), PATH_E | PATH_K | PATH_S, false},
    [QDB_RM] = {FROM(QDB_FROM_VM) | FROM(QDB_FROM_DOM0) | FROM(QDB_FROM_CLIENT),
                PATH_K | PATH_S, false},
    [QDB_WATCH] = {FROM(QDB_FROM_CLIENT), PATH_K | PATH_S, false},
    [QDB_UNWATCH] = {FROM(QDB_FROM_CLIENT), PATH_K | PATH_S, false},
    [QDB_R_OK] = {FROM(QDB_FROM_VM) | FROM(QDB_FROM_DOM0) |
                      FROM(QDB_FROM_DAEMON),
                  PATH_K | PATH_S, false},
    [QDB_R_NOENT] = {FROM(QDB_FROM_VM) | FROM(QDB_FROM_DOM0) |
                         FROM(QDB_FROM_DAEMON),
                     PATH_K | PATH_S, false},
    [QDB_R_ERROR] = {FROM(QDB_FROM_VM) | FROM(QDB_FROM_DOM0) |
                         FROM(QDB_FROM_DAEMON),
                     PATH_E | PATH_K | PATH_S, false},
    [QDB_R_READ] = {FROM(QDB_FROM_DAEMON), PATH_K, true},
    [QDB_R_MULTIREAD] = {FROM(QDB_FROM_DOM0) | FROM(QDB_FROM_DAEMON),
                         PATH_E | PATH_K, true},
    [QDB_R_LIST] = {FROM(QDB_FROM_DAEMON), PATH_E | PATH_K, false},
    [QDB_R_WATCH] = {FROM(QDB_FROM_DAEMON), PATH_K | PATH_S, false},
};
static_assert(ARRAY_LEN(msg_rules) == QDB_TYPES, "a rule per type");

static bool path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr("_./:@-", c));
}

enum qdb_path_kind qdb_path_kind(const char *path, size_t len)
{
    if (len == 0)
        return QDB_PATH_EMPTY;
    if (len >= QDB_PATH_MAX || path[0] != '/')
        return QDB_PATH_BAD;
    for (size_t i = 0; i < len; i++)
        if (!path_char(path[i]))
            return QDB_PATH_BAD;
    return path[len - 1] == '/' ? QDB_PATH_SUBTREE : QDB_PATH_KEY;
}

bool qdb_path_is_key(const char *path)
{
    return qdb_path_kind(path, strnlen(path, QDB_PATH_MAX)) == QDB_PATH_KEY;
}

static unsigned kind_bit(enum qdb_path_kind kind)
{
    switch (kind) {
    case QDB_PATH_EMPTY:
        return PATH_E;
    case QDB_PATH_KEY:
        return PATH_K;
    case QDB_PATH_SUBTREE:
        return PATH_S;
    case QDB_PATH_BAD:
        break;
    }
    return 0;
}

int qdb_hdr_decode(const uint8_t bytes[QDB_HDR_BYTES], enum qdb_from from,
                   struct qdb_hdr *ret)
{
    struct cur c = cur_of(bytes, QDB_HDR_BYTES);
    char untrusted_path[QDB_PATH_MAX];
    uint8_t untrusted_type, pad[3];
    uint32_t untrusted_len;

    if (cur_u8(&c, &untrusted_type) < 0 ||
        cur_copy(&c, untrusted_path, sizeof(untrusted_path)) < 0 ||
        cur_copy(&c, pad, sizeof(pad)) < 0 ||
        cur_u32le(&c, &untrusted_len) < 0 || cur_end(&c) < 0)
        return -EBADMSG;

    /* sanitize start */
    if (untrusted_type >= QDB_TYPES ||
        !(msg_rules[untrusted_type].from & FROM(from)))
        return -EBADMSG;
    size_t path_len = strnlen(untrusted_path, QDB_PATH_MAX);
    if (path_len == QDB_PATH_MAX)
        return -EBADMSG;
    unsigned kind = kind_bit(qdb_path_kind(untrusted_path, path_len));
    unsigned paths = msg_rules[untrusted_type].paths;
    if (from == QDB_FROM_VM && untrusted_type == QDB_MULTIREAD)
        paths = PATH_E; /* the whole copy, nothing else */
    if (!(kind & paths))
        return -EBADMSG;
    if (untrusted_len > QDB_VALUE_MAX)
        return -EMSGSIZE;
    if (untrusted_len > 0 && (!msg_rules[untrusted_type].data || path_len == 0))
        return -EBADMSG;
    /* sanitize end */

    *ret = (struct qdb_hdr){.type = (enum qdb_type)untrusted_type,
                            .len = untrusted_len};
    memcpy(ret->path, untrusted_path, path_len);
    return 0;
}

void qdb_hdr_encode(uint8_t ret[QDB_HDR_BYTES], enum qdb_type type,
                    const char *path, size_t len)
{
    static const uint8_t zero[QDB_PATH_MAX + 3];
    struct wbuf w = wbuf_of(ret, QDB_HDR_BYTES);
    size_t path_len = strnlen(path, QDB_PATH_MAX - 1);

    wbuf_u8(&w, (uint8_t)type);
    wbuf_bytes(&w, path, path_len);
    wbuf_bytes(&w, zero, sizeof(zero) - path_len);
    wbuf_u32le(&w, (uint32_t)len);
}

bool qdb_value_ok(const void *val, size_t len)
{
    return len <= QDB_VALUE_MAX && (len == 0 || !memchr(val, 0, len));
}

int qdb_msg_take(const uint8_t *buf, size_t len, enum qdb_from from,
                 struct qdb_hdr *ret_hdr, const uint8_t **ret_data)
{
    struct qdb_hdr hdr;

    if (len < QDB_HDR_BYTES)
        return 0;
    int r = qdb_hdr_decode(buf, from, &hdr);
    if (r < 0)
        return r;
    if (len - QDB_HDR_BYTES < hdr.len)
        return 0;
    if (!qdb_value_ok(buf + QDB_HDR_BYTES, hdr.len))
        return -EBADMSG;
    *ret_hdr = hdr;
    *ret_data = buf + QDB_HDR_BYTES;
    return (int)(QDB_HDR_BYTES + hdr.len);
}

bool qdb_watch_match(const char *watch, const char *path)
{
    size_t len = strlen(watch);

    if (len > 0 && watch[len - 1] == '/')
        return strncmp(watch, path, len) == 0;
    return strcmp(watch, path) == 0;
}
