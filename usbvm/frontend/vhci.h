/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhci_hcd: the kernel's virtual host controllers. effect. Opened before the
 * sandbox, used within it. */
#ifndef SQ_USBVM_FRONTEND_VHCI_H
#define SQ_USBVM_FRONTEND_VHCI_H

#include <stdint.h>

#define VHCI_CONTROLLERS 16 /* the kernel's own limit is 128, Debian has 8 */

struct vhci {
    int attach;                   /* its attach file, -1 when closed */
    int status[VHCI_CONTROLLERS]; /* status files */
    unsigned n;
};

/** Open its files below @p sysfs ("/sys"). @return 0; -ENOENT the kernel has
 *  no vhci_hcd; -errno */
int vhci_open(const char *sysfs, struct vhci *ret);
void vhci_close(struct vhci *v);

/** Give one end of a stream socket to the first free port of any controller
 *  that has the right hub. The kernel keeps its own reference.
 *  @param speed     enum usb_device_speed
 *  @param ret_port  on success only
 *  @return 0; -EBUSY no free port; -EINVAL speed not taken; -EBADMSG a status
 *  file of another form; -errno */
int vhci_attach(const struct vhci *v, int sock, uint32_t devid, unsigned speed,
                uint32_t *ret_port);

#endif
