/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QubesDB wire format: header codec, path and message rules. pure. Fed by
 * both ends of a vchan and by local clients (all may be hostile).
 * spec/qubesdb.md, "QubesDB wire format". Integers are in the byte order of
 * x86 (little). Does no I/O and keeps no state: what is in order when is the
 * business of qdb_peer and qdbd. */
#ifndef SQ_QUBESDB_QDB_MSG_H
#define SQ_QUBESDB_QDB_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qubesdb/qdb_client.h" /* QDB_PATH_MAX, QDB_VALUE_MAX */

#define QDB_HDR_BYTES 72u
#define QDB_MSG_MAX (QDB_HDR_BYTES + QDB_VALUE_MAX)

enum qdb_type {
    QDB_READ,
    QDB_WRITE,
    QDB_MULTIREAD,
    QDB_LIST,
    QDB_RM,
    QDB_WATCH,
    QDB_UNWATCH,
    QDB_R_OK,
    QDB_R_NOENT,
    QDB_R_ERROR,
    QDB_R_READ,
    QDB_R_MULTIREAD,
    QDB_R_LIST,
    QDB_R_WATCH,
    QDB_TYPES,
};

/** Where a message came from: what is legal there. */
enum qdb_from {
    QDB_FROM_VM,     /* vchan, read by dom0 */
    QDB_FROM_DOM0,   /* vchan, read by the VM */
    QDB_FROM_CLIENT, /* local socket, read by the daemon */
    QDB_FROM_DAEMON, /* local socket, read by the client */
    QDB_FROMS,
};

struct qdb_hdr {
    enum qdb_type type;
    char path[QDB_PATH_MAX]; /* NUL terminated and padded */
    uint32_t len;            /* bytes of data behind the header */
};

/** What a path is good for. */
enum qdb_path_kind {
    QDB_PATH_BAD,
    QDB_PATH_EMPTY,   /* "" */
    QDB_PATH_KEY,     /* "/a/b" */
    QDB_PATH_SUBTREE, /* "/a/" or "/" */
};

/** Sort a path of @p len bytes (without NUL): begins with '/', at most 63
 *  bytes of [A-Za-z0-9_./:@-]. */
enum qdb_path_kind qdb_path_kind(const char *path, size_t len);
/** qdb_path_kind() of a C string is QDB_PATH_KEY. */
bool qdb_path_is_key(const char *path);

/** Decode a header and check every rule of its type from this origin:
 *  known and legal here, path NUL terminated and of a kind the type takes,
 *  data only where the type has data, at most QDB_VALUE_MAX.
 *  @param bytes    QDB_HDR_BYTES, untrusted
 *  @param ret      written on success only
 *  @return 0; -EBADMSG malformed or not legal here; -EMSGSIZE data too long
 */
int qdb_hdr_decode(const uint8_t bytes[QDB_HDR_BYTES], enum qdb_from from,
                   struct qdb_hdr *ret);

/** Encode a header. The path is NUL padded, reserved bytes are 0.
 *  @param path  at most QDB_PATH_MAX - 1 bytes, from our own code */
void qdb_hdr_encode(uint8_t ret[QDB_HDR_BYTES], enum qdb_type type,
                    const char *path, size_t len);

/** Are these bytes a legal value (no NUL, at most QDB_VALUE_MAX)? */
bool qdb_value_ok(const void *val, size_t len);

/** One whole message at the front of a buffer.
 *  @param buf       @p len untrusted bytes
 *  @param ret_hdr   on success
 *  @param ret_data  on success: ret_hdr->len bytes inside @p buf
 *  @return bytes of the message; 0 it is not yet all there; -EBADMSG or
 *  -EMSGSIZE: refused, known as soon as the header is there */
int qdb_msg_take(const uint8_t *buf, size_t len, enum qdb_from from,
                 struct qdb_hdr *ret_hdr, const uint8_t **ret_data);

/** Does a change of @p path concern a watch? Exact, or inside when the watch
 *  ends with '/'. Both are checked paths. */
bool qdb_watch_match(const char *watch, const char *path);

#endif
