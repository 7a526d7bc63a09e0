/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's queue of DNS answers that wait until names with * have
 * learnt from them. effect (nfnetlink_queue). The monitor opens it and lets
 * answers pass; the resolver's inner process, which has no capability and so
 * can do neither, reads it through a copy of the descriptor. Fed by the
 * kernel (trusted) with packets of the uplink (hostile, answer_packet.h).
 * Source: linux/netfilter/nfnetlink_queue.h. */
#ifndef SQ_FIREWALLVM_ANSWER_QUEUE_H
#define SQ_FIREWALLVM_ANSWER_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define ANSWER_QUEUE 5       /* its number in this VM */
#define ANSWER_QUEUE_MAX 256 /* answers that wait; more pass unread */
#define ANSWER_BYTES 8192    /* read of a packet; a longer one is none */

/** Open and set up; needs CAP_NET_ADMIN.
 *  @param ret_fd  non-blocking, the caller closes
 *  @return 0; -errno (a kernel without such queues: -ENOENT, -EINVAL,
 *  -EPROTONOSUPPORT; one that another process has: -EPERM) */
int answer_queue_open(int *ret_fd);

/** Let an answer pass; needs CAP_NET_ADMIN. One that is not there is no
 *  error. @return 0; -errno */
int answer_queue_pass(int fd, uint32_t id);
/** Let all pass that wait, as far as ids go that came before @p id. */
int answer_queue_pass_all(int fd, uint32_t id);

struct answer_waiting {
    uint32_t id;
    size_t len; /* bytes of the packet read, 0 if it was longer */
    uint8_t untrusted_packet[ANSWER_BYTES];
};

/** Take the next message. @param ret  written if the result is 1
 *  @return 1; 0 none there, or it was no packet; -ENOBUFS some were lost on
 *  the way (they have passed); -errno */
int answer_queue_read(int fd, struct answer_waiting *ret);

#endif
