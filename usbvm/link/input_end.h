/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of a vchan that carries input records. effect. What comes in is
 * only cut into records here; the owner's callback judges it. Bounded: a
 * buffer in each direction; who does not read makes the owner stop. */
#ifndef SQ_USBVM_LINK_INPUT_END_H
#define SQ_USBVM_LINK_INPUT_END_H

#include <stddef.h>

#include "lib/loop.h"
#include "usbvm/protocol/usb_input.h"
#include "vchan/vchan.h"

#define INPUT_END_RECORDS 256 /* that wait to be sent */

struct input_end;

struct input_end_ops {
    /** One record. @return 0; < 0 ends the connection with it */
    int (*record)(const struct usb_input *untrusted, void *arg);
    /** The peer of the vchan has come; may be NULL. */
    void (*connected)(void *arg);
    /** All was sent: who waits for room may go on. Comes often, also from
     *  within input_end_push(), and must not push; may be NULL. */
    void (*room)(void *arg);
    /** It is over; called once, from the loop. */
    void (*closed)(int err, void *arg);
};

/** @param v    taken over on success
 *  @param ops  borrowed
 *  @param ret  freed by input_end_free(), which closes the channel
 *  @return 0; -errno */
int input_end_new(struct loop *loop, struct vchan *v,
                  const struct input_end_ops *ops, void *arg,
                  struct input_end **ret);

void input_end_free(struct input_end *e);

/** Records that can be queued now. */
size_t input_end_room(const struct input_end *e);
/** Queue records and send what goes. @return 0; -ENOBUFS none was taken */
int input_end_push(struct input_end *e, const struct usb_input *rec, size_t n);

#endif
