/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The copy of its QubesDB that a VM holds: what dom0 writes, what local
 * daemons write, and what of that goes to dom0. pure. Fed by dom0 (trusted,
 * checked all the same) through qdb_link and by local clients. Does no I/O.
 */
#ifndef SQ_QUBESDB_QDB_REPLICA_H
#define SQ_QUBESDB_QDB_REPLICA_H

#include <stdbool.h>

#include "qubesdb/qdb_link.h"

/* dom0's share is what its worker may hold, and room; ours the same as
 * there (qdb_worker.h), so that we refuse what dom0 would refuse. */
#define QDB_REPLICA_DOM0_ENTRIES 20000u
#define QDB_REPLICA_DOM0_BYTES (4u * 1024 * 1024)
#define QDB_REPLICA_VM_ENTRIES 1000u
#define QDB_REPLICA_VM_BYTES (256u * 1024)

/** A key was written or removed, by either side. Not called before the
 *  first full copy is there. */
typedef void (*qdb_changed_cb)(const char *path, void *arg);

struct qdb_replica;

/** @param ret  freed by qdb_replica_free() (NULL is fine); the request for
 *  the full copy is ready to be written @return 0; -ENOMEM */
int qdb_replica_new(qdb_changed_cb cb, void *arg, struct qdb_replica **ret);
void qdb_replica_free(struct qdb_replica *r);

struct qdb_link *qdb_replica_link(struct qdb_replica *r);
const struct qdb_store *qdb_replica_store(const struct qdb_replica *r);
/** Is the full copy there? */
bool qdb_replica_synced(const struct qdb_replica *r);

/** A local client's change: stored, told to dom0 and to the callback.
 *  @return 0; -ENOSPC or -EDQUOT limit; -ENOENT (rm); -ENOMEM */
int qdb_replica_write(struct qdb_replica *r, const char *path, const void *val,
                      size_t len);
/** @param path  a key, or a subtree with '/' at its end */
int qdb_replica_rm(struct qdb_replica *r, const char *path);

#endif
