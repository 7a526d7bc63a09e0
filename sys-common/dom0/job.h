/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long operations of a client: bring qubes up, take them down, wait until a
 * firewall reports that new rules are in force. glue: each is a row of small
 * state machines, stepped whenever the manager changed; nothing waits. */
#ifndef SQ_DOM0_JOB_H
#define SQ_DOM0_JOB_H

#include "dom0/control.h"
#include "dom0/manager.h"
#include "dom0/usb_op.h"

#define JOB_RULES_MS 5000  /* rules written to rules reported */
#define JOB_USB_MS 10000   /* a USBVM serves to its devices are told */
#define JOB_RULES_KEY_MS 5 /* more for each key of such a firewall */

struct jobs;

int jobs_new(struct manager *m, struct jobs **ret);
void jobs_free(struct jobs *j);
/** Operations on USB devices, which live and end with the jobs; borrowed. */
struct usb_ops *jobs_usb(const struct jobs *j);
/** Something changed: go on. Sends progress and the final answer. */
void jobs_step(struct jobs *j);
/** The client is no more: its jobs go on in silence. */
void jobs_forget(struct jobs *j, const struct control_client *c);

/** Does an up or down run? */
bool jobs_busy(const struct jobs *j);
/** Start qubes in order.
 *  @param order  result of plan_up()
 *  @return 0; -EBUSY another up or down runs; -ENOMEM */
int jobs_up(struct jobs *j, struct control_client *c,
            struct config_qube *const *order, size_t n);
/** Stop qubes in order (result of plan_down()). @return as jobs_up() */
int jobs_down(struct jobs *j, struct control_client *c,
              struct config_qube *const *order, size_t n);

/** A source whose rules were pushed. */
struct job_source {
    char netvm[CONFIG_NAME_MAX]; /* the firewall */
    char ip[IPADDR_TEXT_MAX];
    uint64_t push; /* worker_pushed() */
};

/** Wait until the firewalls have handled the sources.
 *  @param qube      whose rules they are; "" for several
 *  @param src       malloc'ed, taken over, also on failure
 *  @param limit_ms  how long that may take
 *  @param extra     members for the answer, reference taken over
 *  @return 0; -ENOMEM */
int jobs_rules(struct jobs *j, struct control_client *c, const char *qube,
               struct job_source *src, size_t n, uint64_t limit_ms,
               json_t *extra);

#endif
