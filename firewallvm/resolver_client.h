/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's side of the resolver process: starts it, sends what names
 * want, takes what it answers. effect. Fed by the resolver (not trusted: it
 * reads the network; its records are decoded strictly).
 *
 * How the worker uses it, beside names.h:
 *   before sandbox_enter()  resolver_client_new()
 *   with the loop           resolver_client_attach()
 *   the resolvers' keys     resolver_client_servers()
 *   after names_end(), after a timer of names_wait_ms(), and in the callback
 *   `changed`               resolver_client_feed(), then names_next() until
 *                           it is false, then the timer anew
 * The resolver's inner process may die: its outer one starts another, which
 * says so, and all is asked again; what is known stays. Only when the outer
 * one is gone as well, resolver_client_fd is closed by it: the callback
 * `gone` is called and the worker ends (init starts all anew). */
#ifndef SQ_FIREWALLVM_RESOLVER_CLIENT_H
#define SQ_FIREWALLVM_RESOLVER_CLIENT_H

#include "firewallvm/names.h"
#include "lib/loop.h"
#include "rules/rule_eval.h"

struct resolver_client;

struct resolver_client_cb {
    void (*changed)(void *arg); /* answers went into the table */
    /** An answer to a qube waits (RESOLVER_SEEN). `changed` follows. */
    void (*seen)(void *arg, const struct resolver_answer *ans);
    /** Somebody reads answers that wait, or nobody does; those that waited
     *  before will not be spoken of again. `changed` follows. */
    void (*up)(void *arg, bool is_up);
    void (*gone)(void *arg, int r); /* -ECONNRESET or -errno */
    void *arg;
};

/** Start the resolver. @param queue_fd  answers that wait, to be read by it
 *  (borrowed), or -1. @param names  borrowed until resolver_client_free()
 *  @return 0; -ENOMEM; -errno */
int resolver_client_new(struct names *names, int queue_fd,
                        struct resolver_client **ret);
/** Ends the resolver by closing its socket. */
void resolver_client_free(struct resolver_client *c);

/** @param cb  copied @return 0; -ENOMEM */
int resolver_client_attach(struct resolver_client *c, struct loop *loop,
                           const struct resolver_client_cb *cb);

/** Whom to ask from now on (port 53). All open and failed questions are
 *  asked again. */
void resolver_client_servers(struct resolver_client *c,
                             const struct fw_dns *servers);

/** Send the questions that are due, as far as the socket takes them; the
 *  rest goes when it does. An error is told by `gone`. */
void resolver_client_feed(struct resolver_client *c);

#endif
