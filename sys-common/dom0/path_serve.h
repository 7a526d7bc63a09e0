/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of the control socket on port forwards and qube to qube:
 * the Forward= and Reach= lines of the qubes' files. glue. Fed by checked
 * requests of the administrator. */
#ifndef SQ_DOM0_PATH_SERVE_H
#define SQ_DOM0_PATH_SERVE_H

#include "dom0/request.h"
#include "dom0/serve.h"

/** Answer one.
 *  @param r  one of REQ_FORWARD_*, REQ_REACH_* */
void path_serve(struct serve *s, struct control_client *c,
                const struct request *r);

#endif
