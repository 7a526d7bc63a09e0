/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker tells dom0 of its work: counters of sources and rules, and
 * the last blocked packets. effect (QubesDB, the monitor's and the log
 * process's sockets). Fed by the monitor (trusted) and by the log process,
 * which reads packets of qubes (each record is checked). */
#ifndef SQ_FIREWALLVM_WORKER_SEE_H
#define SQ_FIREWALLVM_WORKER_SEE_H

#include "firewallvm/source_set.h"
#include "lib/loop.h"
#include "qubesdb/qdb_client.h"

#define KEY_WATCH "/sysqube-firewall/watch"

struct worker_see;

/** Start the log process and wire everything up; to be called while this
 *  process may still do so. The daemon cannot do without either: when one of
 *  them fails later, the loop is stopped.
 *  @param set  borrowed, as @p loop and @p q
 *  @return 0; -errno */
int worker_see_new(struct loop *loop, struct qdb *q,
                   const struct source_set *set, struct worker_see **ret);

/** The first whole state is in force: tidy what an earlier life has left,
 *  and begin. @return 0; -errno of the connection to QubesDB */
int worker_see_start(struct worker_see *s);

/** KEY_WATCH has changed: look at it in a turn of the loop of its own. */
void worker_see_watch(struct worker_see *s);

/** Remove the keys of a source that is gone. @return as above */
int worker_see_forget(struct worker_see *s, const struct source *source);

#endif
