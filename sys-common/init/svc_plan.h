/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PID 1 does next: start order, restart with back-off, the order of the
 * shutdown. pure: knows only the table, what was told it, and the time given
 * to it. Fed by init's loop. Does not start, signal or reap anything. */
#ifndef SQ_INIT_SVC_PLAN_H
#define SQ_INIT_SVC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "init/svc_table.h"

#define SVC_BACKOFF_MIN_MS 100u
#define SVC_BACKOFF_MAX_MS 10000u
#define SVC_STEADY_MS 30000u  /* alive this long: back-off begins anew */
#define SVC_STOP_ONE_MS 1000u /* patience with one service after SIGTERM */
#define SVC_STOP_ALL_MS 3000u /* and with all of them together */

enum svc_state {
    SVC_WAITING, /* to be started at `due_ms` */
    SVC_RUNNING,
    SVC_DONE,    /* a +once service that has ended */
    SVC_TERMED,  /* running, SIGTERM was sent */
    SVC_STOPPED, /* ended during the shutdown */
};

struct svc_slot {
    enum svc_state state;
    uint64_t due_ms;     /* WAITING: earliest start; TERMED: give-up time */
    uint64_t since_ms;   /* RUNNING: started then */
    uint32_t backoff_ms; /* delay before the next start; 0 = none yet */
    uint32_t restarts;
};

struct svc_plan {
    unsigned n;
    bool stopping;
    uint64_t stop_by_ms;
    bool once[SVC_MAX];
    struct svc_slot s[SVC_MAX];
};

enum svc_do {
    SVC_DO_WAIT,  /* nothing before until_ms (UINT64_MAX: for ever) */
    SVC_DO_START, /* start number i, then svc_plan_started() */
    SVC_DO_TERM,  /* send SIGTERM to number i */
    SVC_DO_HALT,  /* shutdown: nothing is left to wait for; SIGKILL the rest */
};

struct svc_step {
    enum svc_do what;
    unsigned i;
    uint64_t until_ms;
};

/** All services to be started in order from @p now_ms on. */
void svc_plan_init(struct svc_plan *p, const struct svc_table *t,
                   uint64_t now_ms);

/** The next thing to do; call again after doing it, until it says WAIT or
 *  HALT. A service is not started before each +once service in front of it
 *  has ended. TERM already marks number i as told. */
struct svc_step svc_plan_next(struct svc_plan *p, uint64_t now_ms);

/** Number @p i has been started, or could not be (@p ok false): then it
 *  counts as ended at once. */
void svc_plan_started(struct svc_plan *p, unsigned i, bool ok, uint64_t now_ms);
/** Number @p i has ended. */
void svc_plan_ended(struct svc_plan *p, unsigned i, uint64_t now_ms);

/** Has every service been started (or tried) at least once? */
bool svc_plan_all_begun(const struct svc_plan *p);

/** Begin the shutdown: nothing is started any more; running services are
 *  told in reverse order, each when the one after it has ended or had
 *  SVC_STOP_ONE_MS. Idempotent. */
void svc_plan_stop(struct svc_plan *p, uint64_t now_ms);

/** How the machine is to end. */
enum svc_end { SVC_END_NONE, SVC_END_POWEROFF, SVC_END_HALT, SVC_END_REBOOT };

/** Meaning of a change of control/shutdown.
 *  @param untrusted_value  text of the node, NULL when it is absent
 *  @param first            the event every new watch gives at once
 *  An empty value later on means that the kernel has taken the command
 *  before us and acknowledged it: it can only have been one of the three,
 *  and power-off is the one that loses nothing.
 *  @param ret_ack  the node is to be emptied by us
 *  @return what to do; SVC_END_NONE for anything unknown */
enum svc_end svc_plan_shutdown_word(const char *untrusted_value, bool first,
                                    bool *ret_ack);

#endif
