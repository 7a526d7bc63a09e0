/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who runs: the state of each qube, how one is started (and undone when a
 * step fails), what follows a death, and that every running qube's database
 * holds its desired state. glue. Fed by the configuration, the platform's
 * deaths and the workers' checked status. Jobs over several qubes are
 * job.h, the control socket control.h. */
#ifndef SQ_DOM0_MANAGER_H
#define SQ_DOM0_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "dom0/config.h"
#include "dom0/keys.h"
#include "dom0/manager_error.h"
#include "dom0/platform.h"
#include "dom0/worker.h"

#define MANAGER_DOWN_MS 8000  /* orderly shutdown, then it is ended */
#define MANAGER_WATCH_MS 5000 /* a watcher that is silent so long has gone */
/* Wait before what died is started again: doubled each time up to the second
 * value, and from the first again when it lived that long. */
#define MANAGER_RESTART_MS 1000
#define MANAGER_RESTART_MAX_MS 60000

enum qube_state {
    QUBE_OFF,
    QUBE_STARTING, /* domain made, its database not yet connected */
    QUBE_RUNNING,
    QUBE_STOPPING,
    QUBE_FAILED, /* last start failed and was undone; else as off */
};

/** Run-time side of one qube; element i belongs to cfg.qubes[i]. */
struct qube {
    struct manager *m;
    enum qube_state state;
    bool active;     /* its rules and addresses are in force */
    bool has_domid;  /* a domain exists */
    bool vif;        /* attached to its netvm */
    bool vif_failed; /* not tried again until either side restarts */
    uint32_t domid;
    uint64_t since_ms; /* of the state */
    struct worker *worker;
    const char *died;       /* why it last ended; static */
    uint64_t restart_at_ms; /* 0: it is not to be started again */
    unsigned restarts;      /* in a row, each after a short life */
    uint64_t restarts_total;
    struct manager_error error;
};

struct manager {
    struct loop *loop;
    struct platform *platform;
    struct config cfg;
    struct qube **qubes; /* cfg.n, same order */
    struct loop_timer *tick;
    uint64_t next_expiry_s;  /* when the next rule ends, since 1970; 0: never */
    uint64_t watch_until_ms; /* somebody looks at the firewalls; 0: nobody */
    struct usb_plan *usb;
    /** Anything changed: state, status. Called from the loop only. */
    void (*changed)(void *arg);
    void *arg;
};

/** Load the configuration and open the platform.
 *  @param dir  configuration folder
 *  @param bodies  platforms there are, NULL ended; the configuration's
 *                 Platform= chooses one by name
 *  @param ret     manager_free()
 *  @return 0; -EBADMSG complaints in @p p; -errno with @p err filled */
int manager_new(struct loop *loop, const char *dir,
                const struct platform_ops *const *bodies, struct problems *p,
                struct manager_error *err, struct manager **ret);
/** Ends every qube at once. */
void manager_free(struct manager *m);

/** Read the configuration again. Refused as a whole when it has complaints,
 *  or changes the kind or an address of a running qube or removes it. A
 *  running qube with another netvm is moved there, see manager_vif.c.
 *  @param images  compare the images with their manifests as well
 *  @return 0; -EBADMSG complaints in @p p; the old one then stays */
int manager_reload(struct manager *m, bool images, struct problems *p);

/** Makes a file's new text. @param ret  malloc'ed @return 0; -errno */
typedef int (*manager_rewrite_fn)(struct text file, const void *arg, char **ret,
                                  size_t *ret_len);
/** Rewrite a file of the configuration and read everything again; the old
 *  text is put back if the whole is not accepted.
 *  @param file  copied first: it may be a name in the configuration
 *  @return 0; -EBADMSG complaints in @p p; -errno of the file */
int manager_rewrite(struct manager *m, const char *file, manager_rewrite_fn fn,
                    const void *arg, struct problems *p);

/** @return index in cfg.qubes; -ENOENT */
int manager_find(const struct manager *m, const char *name);

/** Start a qube whose netvm runs. On failure everything it made is gone
 *  again, q->error says which step, and the state is QUBE_FAILED.
 *  @return 0: QUBE_STARTING, or it ran already; -errno */
int manager_start(struct manager *m, size_t index);
/** Ask it to shut down. @return 0; -errno (then manager_kill()) */
int manager_stop(struct manager *m, size_t index);
/** End it now and clean up: QUBE_OFF. */
void manager_kill(struct manager *m, size_t index);
/** One that died is not started again by itself: a person has other plans. */
void manager_no_restart(struct manager *m, size_t index);

/** Write every running qube's desired state (only what changed is sent). */
void manager_update(struct manager *m);

/** Somebody looks at what the firewalls count and block: they shall tell it
 *  every second, until nobody has called this for MANAGER_WATCH_MS. */
void manager_watch(struct manager *m);

/** Desired state of one qube now. @return as keys_desired() */
int manager_desired(const struct manager *m, size_t index, struct keyset *ret);

/** Bring the USB plan to what is so now; writes keys if it changed. */
void manager_usb_step(struct manager *m);

/** Value of a status key of a running qube; NULL: none. Borrowed. */
const char *manager_status(const struct manager *m, size_t index,
                           const char *path);
/** Status of a qube's vif as its netvm reports it; NULL: none. */
const char *manager_vif_status(const struct manager *m, size_t index);
/** Does a qube that is up serve traffic: vif up, uplink up, agent up?
 *  @param ret_what  what is missing, static; written when false */
bool manager_ready(const struct manager *m, size_t index,
                   const char **ret_what);
/** Index of the netvm; -1: none. */
int manager_netvm(const struct manager *m, size_t index);
bool manager_is_up(const struct qube *q);
const char *manager_state_name(enum qube_state s);

#endif
