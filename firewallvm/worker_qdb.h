/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker reads from and writes to QubesDB. effect. Fed by dom0's
 * keys. Keys: spec/network.md and docs/rule-language.md. */
#ifndef SQ_FIREWALLVM_WORKER_QDB_H
#define SQ_FIREWALLVM_WORKER_QDB_H

#include <stdbool.h>

#include "firewallvm/path.h"
#include "firewallvm/names.h"
#include "firewallvm/rule_source.h"
#include "firewallvm/source_set.h"
#include "qubesdb/qdb_client.h"
#include "rules/rule_eval.h"

#define KEY_DNS1 "/qubes-primary-dns"
#define KEY_DNS2 "/qubes-secondary-dns"
#define KEY_DNS6 "/sysqube-dns6"
#define KEY_NAMES "/sysqube-firewall/names"
#define KEY_SNAT "/qubes-service/sysqube-snat"
/* Signal keys of the paths; the paths are below them. */
#define KEY_INBOUND "/sysqube-firewall/inbound"
#define KEY_EDGE "/sysqube-firewall/edge"

/** Every function: 0, or -errno of the connection (the worker then ends);
 *  what is wrong with a value is dealt with as said. */

/** Watch all the keys the worker acts on. */
int worker_qdb_watch(struct qdb *q);

/** Mark every source that has a signal key as to be read. */
int worker_qdb_scan(struct qdb *q, struct source_set *set);

/** The resolvers of specialtarget=dns; a malformed one is left out. */
int worker_qdb_dns(struct qdb *q, struct fw_dns *ret);

/** Is the masquerade wanted? Anything but "1" is no. */
int worker_qdb_snat(struct qdb *q, bool *ret);

/** The paths of one kind. A malformed one is logged and left out: what no
 *  path allows is dropped.
 *  @param ret  caller frees. @return also -ENOMEM */
int worker_qdb_paths(struct qdb *q, enum fw_path_kind kind,
                     struct fw_path **ret, size_t *ret_n);

/** How long names last; the usual times if the key is missing, or (logged)
 *  malformed. */
int worker_qdb_names_config(struct qdb *q, struct names_config *ret);

/** Read the list of one source, with its limits, into an initialised
 *  @p ret_list, and into @p s the number that dom0 gave this list.
 *  @param ret_gone  true when there is neither a rule nor a signal key */
int worker_qdb_list(struct qdb *q, struct source *s,
                    struct rule_source *ret_list, bool *ret_gone);

/** Write the status key, then the handled counter: the number that dom0 gave
 *  the list, or one more than before if it gave none. A key that cannot
 *  be written (too long, database full) is logged and left.
 *  @param asked  false: dom0 did not ask, the counter stays */
int worker_qdb_report(struct qdb *q, const struct source *s, const char *status,
                      bool asked);

/** What a rule's name stands for now. @param text  NULL: remove the key */
int worker_qdb_name(struct qdb *q, const char *source_text, unsigned number,
                    const char *text);
/** Remove the keys of names that @p is_stale says.
 *  @param source_text  of this source only; "": of all */
int worker_qdb_names_tidy(struct qdb *q, const char *source_text,
                          bool (*is_stale)(const struct ipaddr *source,
                                           unsigned number, void *arg),
                          void *arg);

/** Remove both keys of a source that is gone. */
int worker_qdb_forget(struct qdb *q, const char *source_text);

/** Remove status keys of sources that are not in the set. */
int worker_qdb_tidy(struct qdb *q, const struct source_set *set);

#endif
