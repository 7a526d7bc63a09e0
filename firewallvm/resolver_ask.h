/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking DNS servers with c-ares: one channel for each open question, so
 * that each is sent from a port of its own (and with an id of its own).
 * effect (UDP and TCP sockets). Fed by the worker's wants and by the servers
 * (hostile). c-ares sends, repeats, matches id, port, server and question,
 * and turns to TCP; what an answer says is read by names_dns.c alone. */
#ifndef SQ_FIREWALLVM_RESOLVER_ASK_H
#define SQ_FIREWALLVM_RESOLVER_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "firewallvm/resolver_record.h"
#include "lib/loop.h"

#define RESOLVER_CHANNELS 8 /* questions open at a time */
/* Each server is asked twice, the second time for twice as long. */
#define RESOLVER_TRY_MS 2000
#define RESOLVER_TRIES 2
#define RESOLVER_DEADLINE_MS 12000 /* for all tries of a question */
#define RESOLVER_UDP_BYTES 1232    /* announced by EDNS */

struct resolver_ask;

/** Called for each question that is over, from within a loop callback or
 *  resolver_ask_start(); not for one that was cancelled. It must not call
 *  any function of this header. */
typedef void (*resolver_done_fn)(const struct resolver_answer *ans, void *arg);
/** Called in the loop when another question may be started. */
typedef void (*resolver_room_fn)(void *arg);

/** To be called before the sandbox, as c-ares reads its random seed from
 *  /dev/urandom; it reads nothing else then or later.
 *  @param ret  lives until the process ends
 *  @return 0; -ENOENT no random seed to be had; -ENOMEM; -EIO c-ares */
int resolver_ask_new(struct resolver_ask **ret);

/** In the process that asks. @param loop  borrowed
 *  @return 0; -ENOMEM */
int resolver_ask_attach(struct resolver_ask *a, struct loop *loop,
                        resolver_done_fn done, resolver_room_fn room,
                        void *arg);

/** Whom to ask from now on, always on port 53. Open questions are
 *  cancelled. @return 0; -EIO c-ares refused them (nobody is asked then) */
int resolver_ask_servers(struct resolver_ask *a, const struct fw_dns *servers);

/** May resolver_ask_start() be called? */
bool resolver_ask_ready(const struct resolver_ask *a);

/** Ask. @param req  a RESOLVER_WANT, copied */
void resolver_ask_start(struct resolver_ask *a,
                        const struct resolver_request *req);

/** Cancel the question of this id and family, if it is open. */
void resolver_ask_cancel(struct resolver_ask *a, uint32_t id, uint8_t family);

#endif
