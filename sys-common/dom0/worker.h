/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqubed's side of one sysqube-qdb process: starts it, keeps it supplied
 * with the desired state of its domain, takes its status, starts it anew
 * with back-off when it ends. effect. Fed by the worker, which parses a
 * hostile VM: each record passes qdb_rec_up_check() first, and what is kept
 * is bounded. */
#ifndef SQ_DOM0_WORKER_H
#define SQ_DOM0_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dom0/keys.h"
#include "lib/loop.h"

#define WORKER_STATUS_MAX 2048     /* status keys of one domain */
#define WORKER_STATUS_BYTES 131072 /* their paths and values */
#define WORKER_RECORDS_PER_TURN 64 /* then the others get their turn */
#define WORKER_BACKOFF_MIN_MS 200
#define WORKER_BACKOFF_MAX_MS 10000

struct worker;

struct worker_args {
    const char *exe;  /* path of sysqube-qdb, borrowed for ever */
    const char *name; /* of the qube, for the log; copied */
    uint32_t domid;
    const char *body; /* "xen" or "unix"; static */
    const char *dir;  /* folder of the sockets; NULL on xen; copied */
    const char *root; /* an empty folder to be confined in; copied */
    /** Status or connection changed. */
    void (*changed)(void *arg);
    /** Before a worker is started again: remove what the last one left. */
    void (*clean)(void *arg);
    void *arg;
};

/** Start a worker. Its first state is that of the first worker_apply().
 *  @param ret  worker_free()
 *  @return 0; -ENOMEM; -errno of the start */
int worker_new(struct loop *loop, const struct worker_args *a,
               struct worker **ret);
/** Ends the process; NULL is fine. */
void worker_free(struct worker *w);

/** The domain shall have exactly these keys from now on.
 *  @param now  taken over (left empty), also on failure
 *  @return 0; -ENOMEM: the worker is started anew with the whole state */
int worker_apply(struct worker *w, struct keyset *now);

/** Write a key again although it has not changed: those who watch it in the
 *  VM act on it. Sent with the whole state if that is yet to be sent.
 *  @return 0; -ENOMEM */
int worker_signal(struct worker *w, const char *path);

/** Each write of a rule list's signal key /qubes-firewall/IP bears a number
 *  that rises with each such write to this VM, and the VM reports it when that
 *  list is in force.
 *  @return that of the last write, also when it is not yet sent; 0: none */
uint64_t worker_pushed(const struct worker *w, const char *ip);
/** Has the VM reported the list of @p ip as of push number @p push or a later
 *  one? */
bool worker_handled(const struct worker *w, const char *ip, uint64_t push);

/** Does the VM have the whole state? */
bool worker_connected(const struct worker *w);
/** Has the VM said again what it had said to an earlier worker? That is so
 *  @p ms after it connected to this one, and always of the first one. */
bool worker_settled(const struct worker *w, uint64_t now_ms, uint32_t ms);
/** Had its QubesDB no room for the whole state, so that some keys are
 *  missing? */
bool worker_cut(const struct worker *w);
/** What the VM said, sorted; borrowed until the loop turns. */
const struct keyset *worker_status(const struct worker *w);
/** What it shall have; borrowed. */
const struct keyset *worker_desired(const struct worker *w);
pid_t worker_pid(const struct worker *w);
/** Text for a person about the last trouble, "" for none. */
const char *worker_trouble(const struct worker *w);

#endif
