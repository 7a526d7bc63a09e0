/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that dom0's worker of one domain decides: what the VM may write, what
 * of it goes up to sysqubed, what goes down to the VM, and the limits. pure.
 * Fed by the VM (hostile) through qdb_link and by sysqubed (trusted) through
 * records. Does no I/O; the time is a parameter.
 *
 * A VM may write any key of its own database, as with the existing daemons;
 * here that has no effect beyond its own share of the store, but for two
 * cases. A key below a status prefix is reported to sysqubed. A key that
 * came from sysqubed keeps sysqubed's value: the VM's WRITE or RM is answered
 * OK, as its daemon has already changed its copy, and then the true value is
 * sent as a WRITE, so that the copies agree again. */
#ifndef SQ_QUBESDB_QDB_WORKER_H
#define SQ_QUBESDB_QDB_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "qubesdb/qdb_link.h"
#include "qubesdb/qdb_record.h"

/* Limits of what dom0 writes: two lists of 4,000 rules, or 80 qubes with 100
 * rules each, in both families. A store of that size takes some 4 MiB, in
 * dom0 and in the VM, of the 32 MiB that a firewall VM is given. */
#define QDB_WORKER_DOM0_ENTRIES 16384u
#define QDB_WORKER_DOM0_BYTES (3072u * 1024u)
#define QDB_WORKER_VM_ENTRIES 1000u
#define QDB_WORKER_VM_BYTES (256u * 1024u)
#define QDB_WORKER_RATE 200u /* requests of the VM per second ... */
#define QDB_WORKER_BURST 1000u
#define QDB_WORKER_UP_RATE 50u /* records to sysqubed per second */
#define QDB_WORKER_UP_BURST 50u
#define QDB_WORKER_REPORT_MS 1000u /* between reports of refusals */

struct qdb_worker;

/** @param now_ms  monotonic time @return 0; -ENOMEM */
int qdb_worker_new(uint64_t now_ms, struct qdb_worker **ret);
void qdb_worker_free(struct qdb_worker *w);

/** The conversation with the VM: its bytes in and out (not its steps). */
struct qdb_link *qdb_worker_link(struct qdb_worker *w);

/** Apply one checked down record.
 *  @return 0; 1 QUIT; -ENOBUFS the VM takes nothing and changes pile up:
 *  end the connection; -ENOMEM. A SET over the limits is counted and left
 *  out (QDB_REFUSED_DESIRED). */
int qdb_worker_down(struct qdb_worker *w, const struct qdb_rec_down *rec);

/** Handle the VM's next message; as qdb_link_step(), -EAGAIN also for over
 *  the rate. */
int qdb_worker_step(struct qdb_worker *w, uint64_t now_ms);

/** The next record for sysqubed. @return true with a record: send it, then
 *  qdb_worker_up_done(); false none now */
bool qdb_worker_up(struct qdb_worker *w, uint64_t now_ms,
                   struct qdb_rec_up *ret);
void qdb_worker_up_done(struct qdb_worker *w);

/** Milliseconds until qdb_worker_step() or qdb_worker_up() should be tried
 *  again though nothing comes in; 0 no need. */
uint32_t qdb_worker_wait_ms(const struct qdb_worker *w, uint64_t now_ms);

/** The reason to report for a failure of qdb_worker_step(). */
enum qdb_refused qdb_worker_reason(int err);

/** Entries the store holds for an owner (tests, log). */
uint32_t qdb_worker_count(const struct qdb_worker *w, enum qdb_owner owner);

#endif
