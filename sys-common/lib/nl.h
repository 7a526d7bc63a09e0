/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netlink socket on libmnl: send one message or a batch, wait for the
 * acknowledgements, dump. effect. Fed by the kernel (trusted, yet lengths
 * are checked by libmnl before use). */
#ifndef SQ_LIB_NL_H
#define SQ_LIB_NL_H

#include <stddef.h>
#include <stdint.h>
#include <libmnl/libmnl.h>

struct nl;

/** @param bus     NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_KOBJECT_UEVENT
 *  @param groups  multicast groups bit mask, 0 for none
 *  @param ret     freed by nl_free()
 *  @return 0; -errno */
int nl_new(int bus, unsigned groups, struct nl **ret);
void nl_free(struct nl *nl);
int nl_fd(const struct nl *nl);
/** What the kernel calls the socket: nlmsg_pid of what it caused. */
uint32_t nl_portid(const struct nl *nl);
/** From now on hear no message that another socket of ours caused.
 *  @return 0; -errno */
int nl_ignore(struct nl *nl, uint32_t portid);
uint32_t nl_next_seq(struct nl *nl);

/** Send @p len bytes (one message or a batch; the last one that wants an
 *  answer carries NLM_F_ACK or NLM_F_DUMP) and read until that answer.
 *  Messages of a dump go to @p cb (may be NULL), whose return < 0 ends the
 *  run; late answers of earlier exchanges are ignored.
 *  @return 0; the kernel's first -errno, after the answers were read to
 *  their end; -EINVAL nothing asks for an answer; -ECANCELED by @p cb;
 *  -ETIMEDOUT after 5 s of silence */
int nl_talk(struct nl *nl, const void *msg, size_t len, mnl_cb_t cb, void *arg);

/** Read what is there without waiting and give each message to @p cb, whose
 *  return < 0 ends the run. For sockets with groups.
 *  @return 0; -ENOBUFS the kernel dropped some: look anew; -ECANCELED by
 *  @p cb; -errno */
int nl_poll(struct nl *nl, mnl_cb_t cb, void *arg);

/** Sequence number of the message the last nl_talk() was refused for. */
uint32_t nl_refused_seq(const struct nl *nl);

#endif
