/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The USB operations of the control socket. glue. Fed by checked requests of
 * the administrator. */
#ifndef SQ_DOM0_USB_SERVE_H
#define SQ_DOM0_USB_SERVE_H

#include "dom0/request.h"
#include "dom0/serve.h"

/** Answer one, now or later.
 *  @param r  one of REQ_USB_* */
void usb_serve(struct serve *s, struct control_client *c,
               const struct request *r);

#endif
