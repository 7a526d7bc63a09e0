/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test's packets in and out of its namespaces. effect (packet sockets).
 * All on one processor, so that a packet is through the router, or dropped,
 * when a later one of the same test has arrived. */
#ifndef SQ_TEST_WIRE_H
#define SQ_TEST_WIRE_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/property/frame.h"

struct wire;

/** Called for each frame that left the router by its uplink (or, if
 *  @p inside, towards a qube). */
typedef void (*wire_fn)(const uint8_t *b, size_t len, bool inside, void *arg);

/** @param qubes    a process in the namespace of all qubes' ends
 *  @param far      one in the namespace behind the uplink (link far0)
 *  @param n_qubes  links q0 to q(n-1) are there
 *  @return 0; -errno */
int wire_new(pid_t qubes, pid_t far, unsigned n_qubes, struct wire **ret);
void wire_free(struct wire *w);

/** Listen no more: nobody takes a copy of what passes (benchmarks). */
void wire_deafen(struct wire *w);

/** Queue frames of qube @p q; sent at once when the queue is full. */
int wire_send(struct wire *w, unsigned q, const struct frame *f, unsigned n);
/** Send what is queued. @return 0; -errno */
int wire_flush(struct wire *w);
/** Send one frame from the far side to the router now. */
int wire_send_far(struct wire *w, const struct frame *f);
/** Give all frames that are there to @p fn. @return how many; -errno */
int wire_read(struct wire *w, wire_fn fn, void *arg);
/** Wait until one is there. @return 0; -ETIMEDOUT; -errno */
int wire_wait(struct wire *w, int timeout_ms);

/** Move this thread to the network namespace of a process. */
int wire_enter(pid_t pid);

#endif
