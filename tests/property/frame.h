/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of gen.h as Ethernet frames, and what of a frame tells which one
 * it was. pure. The number of a packet travels where a router leaves it
 * alone, reassembled or not: identification of IPv4, flow label of IPv6. */
#ifndef SQ_TEST_FRAME_H
#define SQ_TEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/property/gen.h"

#define FRAME_BYTES 512
#define FRAME_PIECES 3
#define FRAME_ETH 14
#define FRAME_MAC_QUBE "\x00\x16\x3e\x5e\x6c\x00"
#define FRAME_MAC_VIF "\xfe\xff\xff\xff\xff\xff"
#define FRAME_MAC_UPLINK "\x02\x00\x00\x00\x00\x01"
#define FRAME_MAC_FAR "\x02\x00\x00\x00\x00\x02"

struct frame {
    size_t len;
    uint8_t b[FRAME_BYTES];
};

/** @param number  at most 65535
 *  @param ret  receives 1 to FRAME_PIECES frames from a qube to its vif
 *  @return how many */
unsigned frame_build(const struct gen_packet *k, uint16_t number,
                     struct frame ret[FRAME_PIECES]);

/** The answer that makes a flow of two ways of a UDP packet or an echo
 *  request, from the far side to the router. @return false: none known */
bool frame_answer(const struct gen_packet *k, uint16_t number,
                  struct frame *ret);

/** Who sent a frame that arrived, and its number.
 *  @return false: neither IPv4 nor IPv6 */
bool frame_read(const uint8_t *b, size_t len, struct ipaddr *ret_src,
                uint16_t *ret_number);

#endif
