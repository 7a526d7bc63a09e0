/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which devices the kernel has on its buses, and which of them it may use.
 * effect (sysfs). Reads only what the kernel itself numbers, no text of a
 * device. Devices of vhci_hcd belong to another USBVM and are passed over.
 *
 * No driver ever meets a device here: root hubs are told not to authorize
 * new devices nor their interfaces. A device is authorized when it is lent
 * (it then has a configuration), its interfaces one by one, and that by
 * itself makes no driver bind. Only hubs get their driver, since a device
 * behind one is seen no other way. */
#ifndef SQ_USBVM_BACKEND_USB_BUS_H
#define SQ_USBVM_BACKEND_USB_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/usb_port.h"

/** What a scan sees of a device. */
struct usb_seen {
    struct usb_port port;
    uint16_t number; /* of the device on its bus, 1..127: new at each plug */
    bool hub;
    bool used; /* authorized: it was lent, or was there before us */
};

/** Read all devices, hubs among them, root hubs not.
 *  @param sysfs  descriptor of the root of sysfs
 *  @param ret    sorted by port; at most @p cap, the last ones are left out
 *  @return how many; -errno. No USB in this kernel is no device */
int usb_bus_scan(int sysfs, struct usb_seen *ret, size_t cap);

/** Tell each root hub not to authorize what is plugged in.
 *  @return 0; -errno of the first that cannot be told */
int usb_bus_guard(int sysfs);

/** Open the attribute by which a device is authorized, for writing.
 *  @return descriptor; -errno */
int usb_bus_open_authorized(int sysfs, const struct usb_port *port);

/** Authorize a device: the kernel chooses a configuration and sets it. Waits
 *  for the device, some seconds if it does not answer.
 *  @return 0; -errno */
int usb_bus_authorize(int sysfs, const struct usb_port *port);

/** Authorize interfaces of the present configuration, so that usbfs may
 *  claim them. @param mask  bit i for number i; those that are not there are
 *  passed over. @return 0; -errno of the first that failed */
int usb_bus_authorize_interfaces(int sysfs, const struct usb_port *port,
                                 uint32_t mask);

/** Have the hub driver bind to a hub's interface. @return 0; -errno */
int usb_bus_start_hub(int sysfs, const struct usb_port *port);

#endif
