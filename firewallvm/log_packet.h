/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message of nflog to what was blocked and why. pure. Fed by the kernel,
 * but the packet in it is a qube's (hostile): it is read by a checked cursor,
 * and no header is believed beyond its own bytes. Sources:
 * linux/netfilter/nfnetlink_log.h, RFC 791, RFC 8200; prefixes and marks:
 * table_compile.h. */
#ifndef SQ_FIREWALLVM_LOG_PACKET_H
#define SQ_FIREWALLVM_LOG_PACKET_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/fw_event.h"

/** The message at the start of @p len bytes. @return NULL: none is there
 *  whole */
const struct nlmsghdr *log_packet_message(const void *buf, size_t len);
/** The one behind it. @param io_len  bytes from @p h on; less by @p h then */
const struct nlmsghdr *log_packet_next(const struct nlmsghdr *h,
                                       size_t *io_len);

/** Read one message.
 *  @param ret  seq and epoch_s are left 0; fw_event_check() would take it
 *  @return 0; -EBADMSG not of nflog, an unknown prefix, or a packet cut
 *  before its addresses */
int log_packet_parse(const struct nlmsghdr *h, struct fw_event *ret);

/** The packet alone, from its network header on.
 *  @param ret  addresses, l4proto, port are written, on success only
 *  @return 0; -EBADMSG */
int log_packet_ip(const uint8_t *untrusted, size_t len, struct fw_event *ret);

#endif
