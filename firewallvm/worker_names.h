/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker does about names: the rules of a list to sets, answers of
 * the resolver to records for the monitor, both to status keys. glue between
 * names.h, resolver_client.h, the records and QubesDB. Fed by checked lists
 * and by the resolver (not trusted). */
#ifndef SQ_FIREWALLVM_WORKER_NAMES_H
#define SQ_FIREWALLVM_WORKER_NAMES_H

#include "firewallvm/names.h"
#include "firewallvm/rule_source.h"
#include "firewallvm/source_set.h"
#include "lib/loop.h"
#include "qubesdb/qdb_client.h"
#include "rules/rule_eval.h"

/* Whole lists wait so long at the start for their names' first answers:
 * meanwhile packets keep the lists of an earlier run, if there was one. */
#define WORKER_NAMES_START_MS 3000u

struct worker_names;

/** Starts the resolver process, so to be called before the sandbox.
 *  @param queue_fd  the queue of answers that wait, borrowed; -1: none
 *  @return 0; -ENOMEM; -errno */
int worker_names_new(int queue_fd, struct worker_names **ret);

/** @param wake  called when worker_names_run() has something to do; r is 0,
 *               or -errno when the resolver is gone (end then)
 *  @return 0; -ENOMEM */
int worker_names_attach(struct worker_names *wn, struct loop *loop,
                        void (*wake)(void *arg, int r), void *arg);

/** Other times than the usual ones. */
void worker_names_configure(struct worker_names *wn,
                            const struct names_config *config);

/** Whom to ask from now on. */
void worker_names_servers(struct worker_names *wn,
                          const struct fw_dns *servers);

/** Which names a list needs: rules of it get their sets (m.name_set). A
 *  blocked list needs none. Notes in @p s what the status says. Nothing is
 *  sent to the monitor. */
void worker_names_take(struct worker_names *wn, struct source *s,
                       struct rule_source *list);
/** The source is gone, or its list was refused: it needs none. */
void worker_names_forget(struct worker_names *wn, struct source *s);

/** Ask what is due, no more. For the start.
 *  @return is every name resolved, or known not to be? */
bool worker_names_settled(struct worker_names *wn);

/** Tell the monitor every set of the list that it does not have as it is,
 *  and whose answers have to wait; to be done before the list is sent.
 *  @param answers  it answers each (not before READY)
 *  @return 0; as priv_send() */
int worker_names_send(struct worker_names *wn, int fd, const struct source *s,
                      const struct rule_source *list, bool answers);

/** Tell the monitor whose answers have to wait, after worker_names_forget();
 *  worker_names_send() does it as well. @return 0; as priv_send() */
int worker_names_watch(struct worker_names *wn, int fd, const struct source *s,
                       bool answers);

/** Do what is due: ask, tell the monitor changed sets, write status keys,
 *  mark sources as lapsed whose list has to be sent again.
 *  @return 0; -errno of the monitor or of QubesDB: end then */
int worker_names_run(struct worker_names *wn, int fd, struct qdb *q,
                     struct source_set *sources);
/** Until worker_names_run() is due. @return milliseconds; 0: never */
uint32_t worker_names_wait_ms(const struct worker_names *wn);

/** Remove the status keys of rules that have no name now.
 *  @param source  only of this one; NULL: of all
 *  @return 0; -errno of QubesDB */
int worker_names_tidy(struct worker_names *wn, struct qdb *q,
                      const struct source *source);

#endif
