/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of a qube's USB policy: a line of its file written or taken away,
 * the configuration read again, the attachments brought to it. effect (the
 * file). Fed by checked requests; words are parsed by usb_policy.h. */
#ifndef SQ_DOM0_USB_EDIT_H
#define SQ_DOM0_USB_EDIT_H

#include <jansson.h>

#include "dom0/manager.h"
#include "dom0/problems.h"
#include "dom0/request.h"

/** Carry out REQ_USB_DENY, REQ_USB_ALLOW, REQ_USB_ASSIGN or
 *  REQ_USB_UNASSIGN. deny takes equal Allow= lines away and adds the Deny=
 *  line; allow takes equal Deny= lines away, or adds an Allow= line if there
 *  was none; assign replaces the Assign= line of the same words; unassign
 *  takes it away.
 *  @param ret  {"qube", "added", "removed": [text], "detached": [device]} on
 *              success
 *  @param err  why not, for a person; nothing was changed then
 *  @param p    complaints of the configuration (-EBADMSG, err->step NULL)
 *  @return 0; -EINVAL; -EBADMSG; -errno */
int usb_edit(struct manager *m, const struct request *r, json_t **ret,
             struct manager_error *err, struct problems *p);

/** {"qube", "lines": [{"line", "text"}]}: its [USB] section as it is read.
 *  @return as above */
int usb_edit_show(struct manager *m, const struct request *r, json_t **ret,
                  struct manager_error *err, struct problems *p);

#endif
