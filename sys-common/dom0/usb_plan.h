/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has which USB device: the state machine from what USBVMs and qubes
 * report, what is assigned and what the administrator asked for, to the
 * grants and attachments that shall be. pure: time and facts are given to
 * it. Fed by statuses of VMs (hostile, checked for form by usb_world.c) and
 * by the policy of the qubes.
 *
 * An attachment is OFFERED (both keys are written), ATTACHED (both sides say
 * so), CLOSING (both keys are gone; the USBVM has not yet reset and
 * identified the device again). What holds always:
 *  - a device, that is a port of a USBVM, has one attachment at most;
 *  - only a device that its USBVM reports as identified and idle is granted:
 *    who wants it next, also the same qube, waits for that;
 *  - no attachment of what the policy denies outlives the next step;
 *  - a vchan port is not used again while the qube reports the old one. */
#ifndef SQ_DOM0_USB_PLAN_H
#define SQ_DOM0_USB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/usb_grant.h"
#include "dom0/usb_policy.h"

#define USB_PLAN_MAX 512         /* attachments of the machine */
#define USB_PLAN_QUBE_MAX 64     /* of one qube; sysqube-usb's DEVICES_MAX */
#define USB_PLAN_ATTACH_MS 10000 /* offered to attached */
#define USB_PLAN_RETRY_MS 1000   /* first pause after a failure, doubled */
#define USB_PLAN_TRIES 4         /* attaching by itself ends then */
/* Attached so long: tries are forgotten, and after an unplug there is no
 * pause of USB_PLAN_RETRY_MS before it is attached by itself again. */
#define USB_PLAN_STABLE_MS 10000
#define USB_PLAN_END_MAX 160

/** A qube as it is now. */
struct usb_fact_qube {
    const char *name;
    bool running;
    uint32_t domid;                  /* when running */
    const struct usb_policy *policy; /* NULL: takes no devices */
    bool stopping;                   /* keeps what it has, gets no more */
    bool unseen; /* its reports are not complete (again) yet: what is missing
                  * from them may be there */
};

/** A device as its USBVM reports it now. */
struct usb_fact_dev {
    struct usb_device d;
    uint32_t backend; /* domid of its USBVM, which runs */
    bool known;       /* the USBVM said generation, speed and hash */
    struct usb_dev dev;
};

/** Everything that is so now; borrowed for one call. */
struct usb_facts {
    const struct usb_fact_qube *qubes;
    size_t n_qubes;
    const struct usb_fact_dev *devs;
    size_t n_devs;
    uint64_t now_ms; /* monotonic */
    /** What a qube says of its side, and a USBVM of its own.
     *  @return 0; -ENOENT no such key; -EBADMSG malformed */
    int (*import)(void *arg, uint32_t client, uint32_t backend,
                  const struct usb_port *port, struct usb_link_state *ret);
    int (*export)(void *arg, uint32_t backend, const struct usb_port *port,
                  struct usb_link_state *ret);
    void *arg;
};

enum usb_att_state { USB_ATT_OFFERED, USB_ATT_ATTACHED, USB_ATT_CLOSING };

/** Why an attachment ends. */
enum usb_end {
    USB_END_NONE,
    USB_END_USER,    /* the administrator detached it */
    USB_END_QUBE,    /* the qube ended */
    USB_END_USBVM,   /* the USBVM ended */
    USB_END_GONE,    /* the device was unplugged */
    USB_END_CHANGED, /* another generation, speed or hash */
    USB_END_DENIED,  /* the policy */
    USB_END_FAILED,  /* a side reported a failure */
    USB_END_TIMEOUT, /* the qube did not report */
};

struct usb_att {
    uint64_t serial; /* never used again */
    char qube[USB_NAME_MAX];
    char usbvm[USB_NAME_MAX];
    struct usb_port port;
    uint32_t client, backend; /* domids */
    uint16_t vport;
    struct usb_dev dev;  /* what was granted */
    struct usb_device d; /* as last seen */
    struct usb_want want;
    bool by_itself; /* by an Assign= line */
    enum usb_att_state state;
    uint64_t since_ms; /* of the state */
    uint32_t vhci;     /* port in the qube, when attached */
    enum usb_end end;
    char why[USB_PLAN_END_MAX]; /* with @p end, for a person */
};

struct usb_plan;

int usb_plan_new(struct usb_plan **ret);
void usb_plan_free(struct usb_plan *p);

/** Bring the plan to the facts: end what must end, attach what is assigned.
 *  Due when a fact changed, and twice a second for deadlines and retries.
 *  @return true when something changed: write the keys */
bool usb_plan_step(struct usb_plan *p, const struct usb_facts *f);

enum usb_refusal {
    USB_OK,
    USB_HAS_IT,    /* this qube has it already */
    USB_BUSY,      /* another qube has it */
    USB_WAIT,      /* not identified, being reset, or an old link is still
                    * going: try later */
    USB_OFF,       /* the qube does not run */
    USB_NO_TAKER,  /* the qube is of a kind that takes no devices */
    USB_DENIED,    /* by the policy */
    USB_NO_IFACE,  /* an interface that is wanted is not there */
    USB_NO_INPUT,  /* events of a device without input interface */
    USB_MALFORMED, /* the USBVM's keys of it cannot be read */
    USB_FULL,      /* too many devices, of the qube or the machine */
};

/** What an attach may say more. */
struct usb_answer {
    struct usb_ruling ruling; /* USB_DENIED */
    const char *who;          /* USB_BUSY, USB_WAIT: borrowed name, or "" */
    uint64_t serial;          /* USB_OK, USB_HAS_IT: of the attachment */
};

/** Would it be attached? Changes nothing. */
enum usb_refusal usb_plan_check(const struct usb_plan *p,
                                const struct usb_facts *f, size_t qube,
                                size_t dev, const struct usb_want *want,
                                struct usb_answer *ret);
/** Attach by hand. Nothing is changed unless USB_OK is returned. */
enum usb_refusal usb_plan_attach(struct usb_plan *p, const struct usb_facts *f,
                                 size_t qube, size_t dev,
                                 const struct usb_want *want,
                                 struct usb_answer *ret);
/** Detach by hand; not attached by itself again until it is plugged in anew
 *  or the qube starts anew. @return 0; -ENOENT the qube does not have it */
int usb_plan_detach(struct usb_plan *p, const struct usb_facts *f,
                    const char *qube, const char *usbvm,
                    const struct usb_port *port);

/** Forget that a qube's devices are not to be attached by themselves: its
 *  assignments were written anew. */
void usb_plan_release(struct usb_plan *p, const char *qube);

/** Who is assigned a device equally exactly.
 *  @param ret   indexes of running qubes, room for f->n_qubes
 *  @param ret_a  their lines' contents, same room; may be NULL
 *  @return how many: 0 nobody; 1 and mode auto or required: it is attached by
 *  itself; else it is a question */
size_t usb_plan_claims(const struct usb_facts *f, size_t dev, size_t *ret,
                       const struct usb_assign **ret_a);
/** Is this device a question now? Arguments as above. @return how many may
 *  have it; 0: it is none */
size_t usb_plan_question(const struct usb_plan *p, const struct usb_facts *f,
                         size_t dev, size_t *ret);

/** The first required assignment that no free device fits.
 *  @return borrowed line; NULL: the qube may start */
const struct usb_assign *usb_plan_missing(const struct usb_plan *p,
                                          const struct usb_facts *f,
                                          const struct usb_policy *policy);

/** Does a running qube have, attached, a device for each of its required
 *  assignments? */
bool usb_plan_has_required(const struct usb_plan *p, const char *qube,
                           const struct usb_policy *policy);

/** Walk over the attachments. @return borrowed; NULL: no more */
const struct usb_att *usb_plan_at(const struct usb_plan *p, size_t i);
/** @return borrowed; NULL: none (any more) */
const struct usb_att *usb_plan_find(const struct usb_plan *p, uint64_t serial);
const struct usb_att *usb_plan_of(const struct usb_plan *p, const char *usbvm,
                                  const struct usb_port *port);

#endif
