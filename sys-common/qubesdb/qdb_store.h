/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key/value store of QubesDB: sorted, bounded, with two outgoing queues
 * of changes. pure. Fed with checked paths and values from either side of a
 * vchan; the amount is hostile, hence the limits. Used by qdbd (queue 0: to
 * dom0) and by dom0's worker (queue 0: to the VM, queue 1: to sysqubed).
 *
 * A queue holds entries, not values: a path changed ten times before the far
 * side reads is sent once, with its last value, at the place of its last
 * change. So a stuck reader costs nothing beyond the store itself. A removed
 * entry that a far side knows of stays as a "dead" one until that side has
 * been told. */
#ifndef SQ_QUBESDB_QDB_STORE_H
#define SQ_QUBESDB_QDB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "qubesdb/qdb_client.h" /* QDB_PATH_MAX */

#define QDB_QUEUES 2u

/** Whose entry it is: who pays for it, and (in dom0) who may change it. */
enum qdb_owner { QDB_OWNER_DOM0, QDB_OWNER_VM, QDB_OWNERS };

struct qdb_limits {
    uint32_t entries;
    uint32_t bytes; /* each entry counts QDB_PATH_MAX and its value */
};

/** Read it, change it by the functions below only. */
struct qdb_entry {
    TAILQ_ENTRY(qdb_entry) link[QDB_QUEUES];
    char path[QDB_PATH_MAX];
    uint8_t *value; /* len bytes; NULL when len is 0 */
    uint32_t len;
    enum qdb_owner owner;
    uint8_t pending; /* bit n: waits in queue n */
    uint8_t known;   /* bit n: the far side of queue n has the key */
    bool dead;       /* removed; only the queues still see it */
};

struct qdb_store;

/** An empty store. @param limits  per owner @return 0; -ENOMEM */
int qdb_store_new(const struct qdb_limits limits[QDB_OWNERS],
                  struct qdb_store **ret);
void qdb_store_free(struct qdb_store *s);

/** A live entry, or NULL. Valid until the next change of the store. */
const struct qdb_entry *qdb_store_find(const struct qdb_store *s,
                                       const char *path);

/** Create or replace an entry; it then belongs to @p owner. Queues it
 *  nowhere.
 *  @param path  a checked key; @p val a checked value
 *  @param ret   the entry, may be NULL; written on success only
 *  @return 0; -ENOSPC entry limit of @p owner; -EDQUOT its byte limit;
 *  -ENOMEM; the store is unchanged on failure */
int qdb_store_set(struct qdb_store *s, const char *path, const void *val,
                  size_t len, enum qdb_owner owner,
                  const struct qdb_entry **ret);

/** Remove one key: at once where no far side knows it, else it becomes dead
 *  and is queued to those that do. @return 0; -ENOENT */
int qdb_store_rm(struct qdb_store *s, const char *path);

/** The first live entry behind @p after (NULL: from the start) whose path
 *  begins with the string @p prefix; NULL at the end. Ascending byte order;
 *  an entry need not exist any more to be gone on from. */
const struct qdb_entry *qdb_store_next(const struct qdb_store *s,
                                       const char *prefix, const char *after);
/** The last live entry before @p before (NULL: from the end), or NULL. */
const struct qdb_entry *qdb_store_prev(const struct qdb_store *s,
                                       const char *before);

/** Put the live entry of @p path at the end of queue @p q (from wherever it
 *  was in it). No such entry: nothing. */
void qdb_store_queue(struct qdb_store *s, unsigned q, const char *path);
/** The far side of queue @p q has (or has lost) this key by its own doing:
 *  it need not be told. */
void qdb_store_known(struct qdb_store *s, unsigned q, const char *path,
                     bool known);
/** The far side of queue @p q was given this key, but a change of it that
 *  waits in the queue is to be sent all the same. */
void qdb_store_told(struct qdb_store *s, unsigned q, const char *path);
/** First of queue @p q, live or dead; NULL when empty. */
const struct qdb_entry *qdb_store_head(const struct qdb_store *s, unsigned q);
/** The first of queue @p q was told: takes it off; a dead one that no queue
 *  holds any more is freed. */
void qdb_store_pop(struct qdb_store *s, unsigned q);

/** Live and dead entries of an owner. */
uint32_t qdb_store_count(const struct qdb_store *s, enum qdb_owner owner);
/** Dead entries of all owners. */
uint32_t qdb_store_dead(const struct qdb_store *s);

#endif
