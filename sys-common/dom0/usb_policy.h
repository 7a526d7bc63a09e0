/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which qube may have, and which shall have, which USB device: the lines of
 * a qube's [USB] section and what they say about one device. pure. Fed by
 * the administrator's words (trusted, often wrong) and by what a USBVM says
 * of a device (hostile). docs/usb.md has the language.
 *
 * A line names devices by words, all of which must fit: one port
 * ("sys-usb:2-1"), one identity (device/usb_devid.h), one class word
 * (device/usb_class.h). A more exact line goes before a less exact one: port
 * and identity, port, identity, neither; then the class with more literal
 * digits; of two equally exact ones Deny= before Allow=. Who keeps state is
 * usb_plan.h. */
#ifndef SQ_DOM0_USB_POLICY_H
#define SQ_DOM0_USB_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/usb_class.h"
#include "device/usb_devid.h"
#include "device/usb_ifmap.h"
#include "device/usb_port.h"

#define USB_NAME_MAX 32     /* of a qube; CONFIG_NAME_MAX */
#define USB_LINES_MAX 512   /* Allow= and Deny= lines of one qube */
#define USB_ASSIGNS_MAX 256 /* Assign= lines of one qube */
#define USB_WHY_MAX 200

struct usb_select {
    bool has_port, has_id, has_class;
    char usbvm[USB_NAME_MAX]; /* with has_port */
    struct usb_port port;
    struct usb_devid id;
    struct usb_class cls;
};

/** Which part of a device is wanted, and how. */
struct usb_want {
    bool some;              /* only the interfaces in @p ifaces */
    uint32_t ifaces;        /* bit n: interface number n */
    bool evdev;             /* input events instead of the device */
    bool keyboard, pointer; /* with evdev: at least one */
};

enum usb_assign_mode {
    USB_ASSIGN_MANUAL,
    USB_ASSIGN_ASK,
    USB_ASSIGN_AUTO,
    USB_ASSIGN_REQUIRED
};

struct usb_line {
    struct usb_select sel;
    bool allow;
    unsigned line; /* in the qube's file */
};

struct usb_assign {
    struct usb_select sel;
    enum usb_assign_mode mode;
    struct usb_want want;
    unsigned line;
};

/** {0} is empty: everything may be attached by hand, nothing is by itself. */
struct usb_policy {
    struct usb_line *lines; /* owned */
    size_t n_lines;
    struct usb_assign *assigns; /* owned */
    size_t n_assigns;
};

/** What dom0 knows of one device: checked for form, true or not. */
struct usb_device {
    char usbvm[USB_NAME_MAX];
    struct usb_port port;
    struct usb_ident ident;
    struct usb_ifaces ifaces;
    struct usb_ifmap map;
    bool malformed; /* some key of it could not be read */
};

/** Read the words of one line.
 *  @param why  on failure what is wrong, for a person
 *  @return 0; -EBADMSG */
int usb_select_parse(struct text words, struct usb_select *ret,
                     char why[USB_WHY_MAX]);
/** Read "MODE WORDS [interfaces=N,N] [input=keyboard,pointer]".
 *  @return as above; @p ret without its line number */
int usb_assign_parse(struct text words, struct usb_assign *ret,
                     char why[USB_WHY_MAX]);
/** Read "interfaces=..." or "input=..." as below.
 *  @return 0; -EBADMSG; -ENOENT it is another word; -EEXIST a second one */
int usb_want_parse_word(struct text word, struct usb_want *io);
/** Read "0,1". @return 0; -EBADMSG not rising numbers 0 to 31 */
int usb_want_parse_ifaces(struct text t, struct usb_want *io);
/** Read "keyboard", "pointer" or both with a comma. @return 0; -EBADMSG */
int usb_want_parse_input(struct text t, struct usb_want *io);

/** Do two selectors have the same words? */
bool usb_select_eq(const struct usb_select *a, const struct usb_select *b);

/** How exactly a selector fits a device: the greater the more; -1: it does
 *  not. @param code  the interface in question; NULL: any of the device's */
int usb_select_rank(const struct usb_select *s, const struct usb_device *d,
                    const struct usb_iface *code);

/** What the Allow= and Deny= lines say. */
struct usb_ruling {
    bool allowed;
    unsigned line; /* that decided against it; 0: none */
    bool has_code; /* an interface is why */
    int number;    /* of that interface; -1: not known */
    struct usb_iface code;
};

/** Rule on the wanted part of a device. Every interface that would be handed
 *  over must be allowed, by its own best line; a device of which no interface
 *  is known is ruled on as a whole.
 *  @param want  NULL: all of it */
void usb_policy_rule(const struct usb_policy *p, const struct usb_device *d,
                     const struct usb_want *want, struct usb_ruling *ret);

/** The Assign= line that counts for a device; the first of equally exact
 *  ones. @return borrowed; NULL: none. @param ret_rank may be NULL */
const struct usb_assign *usb_policy_assigned(const struct usb_policy *p,
                                             const struct usb_device *d,
                                             int *ret_rank);

/** Add to the lists. @return 0; -ENOMEM; -ENOBUFS over the limits */
int usb_policy_add_line(struct usb_policy *p, const struct usb_line *l);
int usb_policy_add_assign(struct usb_policy *p, const struct usb_assign *a);
void usb_policy_free(struct usb_policy *p);

const char *usb_assign_mode_name(enum usb_assign_mode m);
/** Also by the names that Qubes 4.3 gives them, "ask-to-attach" and
 *  "auto-attach". @return 0; -EBADMSG */
int usb_assign_mode_parse(struct text t, enum usb_assign_mode *ret);

#endif
