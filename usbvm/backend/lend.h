/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which device is lent to whom, and what is to be done about it. pure: a
 * state machine; what it wants done goes through its ops. Fed by usb-broker
 * with what sysfs shows (numbers of the kernel), grants of dom0 (trusted)
 * and records of usb-export and usb-probe (hostile, checked before).
 *
 * A device that is plugged in, or comes back from a loan, is probed first:
 * reset if it was used, then its descriptors are hashed. Only then it may be
 * lent, to a grant that names this plug (gen) and this hash. A loan ends
 * when its grant goes or changes, when its usb-export ends, or with the
 * device. A grant whose usb-export has ended is not tried again: dom0 must
 * change it. Rules: docs/protocol-usb.md, "Keys". */
#ifndef SQ_USBVM_BACKEND_LEND_H
#define SQ_USBVM_BACKEND_LEND_H

#include <stdint.h>

#include "device/usb_grant.h"
#include "usbvm/backend/export_msg.h"
#include "usbvm/backend/usb_bus.h"

#define LEND_MAX 127  /* devices, hubs among them */
#define LEND_PROBES 4 /* at the same time */

/* In the order in which they are written. */
enum lend_key {
    LEND_KEY_IF,
    LEND_KEY_NUM,
    LEND_KEY_DEV,
    LEND_KEY_EXPORT,
    LEND_KEY_STAT,
    LEND_KEYS
};

/* A job is a process. Each has a number of its own; job_ended() comes once
 * for each that was started. The first three return 0 or -errno. */
struct lend_ops {
    /** Start usb-probe. @param reset  the device was used */
    int (*probe)(uint32_t job, const struct usb_seen *dev, bool reset,
                 void *arg);
    /** Start a usb-probe that makes a hub work. */
    int (*hub)(uint32_t job, const struct usb_seen *dev, void *arg);
    /** Start usb-export. */
    int (*lend)(uint32_t job, const struct usb_seen *dev,
                const struct usb_grant *grant, void *arg);
    /** Make a usb-export end. */
    void (*stop)(uint32_t job, void *arg);
    /** A status key has changed. @param value  NULL: remove it */
    void (*key)(const struct usb_port *port, enum lend_key key,
                const char *value, void *arg);
};

struct lend;

/** @param first_gen  of the first device; larger than any that an earlier
 *                    process of this VM has used
 *  @return NULL no memory */
struct lend *lend_new(uint64_t first_gen, const struct lend_ops *ops,
                      void *arg);
void lend_free(struct lend *l);

/** What is plugged in now, sorted by port. */
void lend_devices(struct lend *l, const struct usb_seen *seen, size_t n);

/** Grants as they stand now: one call of begin, one of add for each, end. */
void lend_grants_begin(struct lend *l);
/** @param grant  NULL: a value that is none, which lends nothing */
void lend_grants_add(struct lend *l, const struct usb_port *port,
                     const struct usb_grant *grant);
void lend_grants_end(struct lend *l);

/** usb-probe has identified a device. @param rec  checked */
void lend_probed(struct lend *l, uint32_t job, const struct usb_probe_rec *rec);
/** usb-export tells its state. @param rec  checked */
void lend_record(struct lend *l, uint32_t job,
                 const struct usb_export_rec *rec);
/** A process has ended and was reaped: the kernel has let go the device. */
void lend_job_ended(struct lend *l, uint32_t job);

#endif
