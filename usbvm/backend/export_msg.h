/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What usb-broker and its helpers say to each other. pure. usb-export talks
 * to a hostile device and a hostile qube, usb-probe to a hostile device, so
 * usb-broker checks each record.
 *
 * usb-broker starts them, by privsep_spawn(), as root:
 *   usb-export --port 2-1.3 --grant "client=7 vport=2000 gen=4 hash=.. ..."
 *   usb-probe --port 2-1.3 [--reset | --hub]
 * and sends over descriptor 3, by io_send_fd(), one message of one byte 'F'
 * with the device's usbfs node, open for reading and writing (--hub has no
 * use for it). From then on the helper speaks. usb-export: records of
 * sizeof(struct usb_export_rec), a state at each change and statistics once a
 * second while they change. usb-probe: one struct usb_probe_rec. usb-broker
 * ends them by closing the socketpair, later SIGKILL; in each case the kernel
 * gives back the interfaces, and usb-broker has the device reset. */
#ifndef SQ_USBVM_BACKEND_EXPORT_MSG_H
#define SQ_USBVM_BACKEND_EXPORT_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "device/usb_grant.h"
#include "device/usb_ifmap.h"

#define EXPORT_HELLO_BYTE 'F'
#define EXPORT_REASONS 64 /* at least as many as usbvm/protocol counts */
/** Both ends of a device name it by this number in their PDUs: dom0 writes
 *  it as devid into the attach key. */
#define EXPORT_DEVID(vport) (UINT32_C(1) << 16 | (uint32_t)(vport))
/** usb-probe's user. */
#define PROBE_UID 60999u
/** usb-export's own user, one for each device. */
#define EXPORT_UID(vport) (61000u + ((uint32_t)(vport)-USB_GRANT_VPORT_MIN) / 2)

enum usb_export_kind {
    EXPORT_STATE = 1,
    EXPORT_STAT = 2,
    /* The qube has set another configuration, whose interfaces are new to
     * the kernel. usb-broker authorizes those of the grant and answers with
     * one byte EXPORT_HELLO_BYTE: the only thing it ever says later. */
    EXPORT_CONFIGURED = 3,
};

enum usb_export_state {
    EXPORT_WAITING = 1, /* the channels are there, the qube is not yet */
    EXPORT_ATTACHED = 2,
    EXPORT_FAILED = 3, /* it ends now; why says the rest */
};

/** Exit statuses of usb-export. After each of them the device must be reset
 *  and identified again before another qube may have it. */
enum usb_export_exit {
    EXPORT_EXIT_CLIENT = 0, /* the qube, or usb-broker, ended it */
    EXPORT_EXIT_USAGE = 2,
    EXPORT_EXIT_DEVICE = 3,   /* unplugged, or it no longer answers */
    EXPORT_EXIT_REFUSED = 4,  /* the qube's bytes, or the descriptors, break
                               * a rule; the last state record says which */
    EXPORT_EXIT_INTERNAL = 5, /* memory, sandbox, libusb */
};

enum usb_export_why {
    EXPORT_WHY_NONE,
    EXPORT_WHY_CLIENT_GONE,
    EXPORT_WHY_DEVICE_GONE,
    EXPORT_WHY_PROTOCOL,   /* broken says which rule */
    EXPORT_WHY_DESCRIPTOR, /* unsound descriptors */
    EXPORT_WHY_HASH,       /* not the device that was granted */
    EXPORT_WHY_INTERFACE,  /* a granted interface is not there */
    EXPORT_WHY_INPUT,      /* no boot keyboard or mouse in the grant */
    EXPORT_WHY_CHANNEL,    /* the vchans could not be made */
    EXPORT_WHY_INTERNAL,
    EXPORT_WHY_MAX,
};

/** One record, host byte order, no padding. */
struct usb_export_rec {
    uint32_t kind;   /* enum usb_export_kind */
    uint32_t state;  /* enum usb_export_state, in both kinds */
    uint32_t why;    /* enum usb_export_why; with EXPORT_FAILED */
    uint32_t flight; /* requests in flight now */
    uint64_t in;     /* bytes from the device since the start */
    uint64_t out;    /* bytes to it */
    uint32_t p50us;  /* latency of the last second's requests */
    uint32_t p99us;
    uint32_t broken;  /* enum usb_reason, with EXPORT_WHY_PROTOCOL */
    uint32_t refused; /* PDUs, all reasons */
    uint32_t reason[EXPORT_REASONS]; /* by usbvm/protocol's reasons */
};

/** Check a record that usb-export sent.
 *  @return 0; -EBADMSG wrong size, or a field out of its range */
int export_msg_check(const struct usb_export_rec *untrusted_rec, size_t len);

/** Value of /sysqube-status/usb-export/<id> after a checked state record.
 *  @return @p ret, NUL terminated */
const char *export_msg_status(const struct usb_export_rec *rec,
                              char ret[USB_GRANT_TEXT_MAX]);

/** Value of /sysqube-status/usb-stat/<id> of a checked record.
 *  @return @p ret, NUL terminated */
const char *export_msg_stat(const struct usb_export_rec *rec,
                            char ret[USB_GRANT_TEXT_MAX]);

/** What usb-probe found, host byte order, no padding. */
struct usb_probe_rec {
    uint32_t status; /* 0, or an errno value: the rest is then void */
    uint32_t speed;  /* enum usb_device_speed of the kernel */
    uint8_t hash[USB_GRANT_HASH_BYTES];
    uint32_t fault; /* enum usb_dset_fault, with status EBADMSG */
    uint32_t n;     /* used rows of @p iface */
    struct {
        uint8_t number, cls, sub, proto;
    } iface[USB_IFMAP_MAX]; /* zero behind n */
};

/** Check a record that usb-probe sent. @return 0; -EBADMSG */
int usb_probe_check(const struct usb_probe_rec *untrusted_rec, size_t len);
/** Value of /sysqube-status/usb-if/<id> of a checked record.
 *  @return @p ret, NUL terminated */
const char *usb_probe_ifmap(const struct usb_probe_rec *rec,
                            char ret[USB_IFMAP_TEXT_MAX]);
/** What a person reads about a status other than 0 of a checked record.
 *  @return @p ret, NUL terminated */
const char *usb_probe_text(const struct usb_probe_rec *rec,
                           char ret[USB_GRANT_WHY_MAX]);

#endif
