/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handing a device's usbfs node to a helper, as its first message. effect.
 * Fed by usb-broker (trusted). */
#ifndef SQ_USBVM_BACKEND_EXPORT_FD_H
#define SQ_USBVM_BACKEND_EXPORT_FD_H

/** Send @p fd, which stays the caller's. @return 0; -errno */
int export_fd_send(int sock, int fd);
/** Receive it, waiting up to 5 s.
 *  @return descriptor, the caller closes; -ETIMEDOUT; -EPROTO another
 *  message; -errno */
int export_fd_receive(int sock);

#endif
