/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Declared port forwards: records of dom0 to a list. pure. Fed by dom0's
 * keys /sysqube-forward/NNNN (trusted, parsed strictly all the same). The
 * form is in docs/architecture.md, "Keys of our own". Does not touch the
 * kernel: uplink_nft.c makes rules of the list. */
#ifndef SQ_NETVM_UPLINK_FORWARD_H
#define SQ_NETVM_UPLINK_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/parse.h"

#define UPLINK_FORWARD_KEY "/sysqube-forward" /* written when all are there */
#define UPLINK_FORWARD_PREFIX UPLINK_FORWARD_KEY "/"
#define UPLINK_FORWARDS_MAX 1024 /* dom0 writes no more: FW_PATHS_MAX */
#define UPLINK_FORWARD_WHY_MAX 96

struct uplink_forward {
    uint8_t l4proto; /* IPPROTO_TCP or IPPROTO_UDP */
    uint16_t uplink_port;
    struct ipaddr dst;
    uint16_t dst_port;
    struct ipnet from; /* family 0: from anywhere */
};

struct uplink_forwards {
    size_t n;
    struct uplink_forward v[UPLINK_FORWARDS_MAX]; /* as they came */
    char error[UPLINK_FORWARD_WHY_MAX]; /* the first mistake; "" for none */
};

/** One record: `tcp|udp UPLINKPORT DSTIP DSTPORT [FROMCIDR]`, single blanks.
 *  Ports 1 to 65535; @p from of the family of the destination; not the ports
 *  of the VM's own DHCP clients.
 *  @param ret  written on success only
 *  @return 0; -EBADMSG */
int uplink_forward_parse(struct text value, struct uplink_forward *ret);

/** Take in one key. A wrong one is left out, and the first of them named in
 *  the list's error: its port stays closed, all others are not touched.
 *  @param number  the path behind UPLINK_FORWARD_PREFIX: four digits */
void uplink_forwards_add(struct uplink_forwards *l, struct text number,
                         struct text value);

/** "applied N", or "error NNNN: WHY". @return buf */
const char *uplink_forwards_status(const struct uplink_forwards *l,
                                   char buf[UPLINK_FORWARD_WHY_MAX]);

#endif
