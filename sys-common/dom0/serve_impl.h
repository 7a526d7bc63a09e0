/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between serve.c, path_serve.c and usb_serve.c only. glue. */
#ifndef SQ_DOM0_SERVE_IMPL_H
#define SQ_DOM0_SERVE_IMPL_H

#include "dom0/serve.h"

/** {"ok": o}. @param o  reference taken over */
void serve_ok(struct control_client *c, json_t *o);
/** Read the configuration again. @return false: an error was sent */
bool serve_reload(struct serve *s, struct control_client *c, bool images);
/** @return index of the qube; -1: an error was sent */
int serve_find(struct serve *s, struct control_client *c, const char *name);

#endif
