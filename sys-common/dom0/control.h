/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: clients, lines in, lines out, a descriptor now and
 * then. effect. Fed by whoever may open the socket (root); lines are parsed
 * by request.c. Knows no operation. */
#ifndef SQ_DOM0_CONTROL_H
#define SQ_DOM0_CONTROL_H

#include <jansson.h>

#include "lib/loop.h"
#include "lib/parse.h"

#define CONTROL_CLIENTS_MAX 32
/* Unsent bytes; then the client is dropped. A status of CONFIG_QUBES_MAX
 * qubes with WORKER_STATUS_BYTES each fits. */
#define CONTROL_OUT_MAX (64 << 20)

struct control;
struct control_client;

struct control_handler {
    /** One request line; answer with control_send(), now or later. */
    void (*line)(struct control_client *c, struct text line, void *arg);
    /** The client went: forget it. */
    void (*gone)(struct control_client *c, void *arg);
    void *arg;
};

/** Listen on @p path, mode 0600, parents made.
 *  @return 0; -errno */
int control_new(struct loop *loop, const char *path,
                const struct control_handler *h, struct control **ret);
/** Close all and remove the socket; NULL is fine. No gone() calls. */
void control_free(struct control *c);

/** Send an object as one line.
 *  @param c  NULL: the object is only dropped
 *  @param o  reference taken over; NULL (out of memory) ends the client */
void control_send(struct control_client *c, json_t *o);
/** The same, with a descriptor beside the line's first byte.
 *  @param fd  taken over */
void control_send_fd(struct control_client *c, json_t *o, int fd);
/** {"progress": text} */
void control_progress(struct control_client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
