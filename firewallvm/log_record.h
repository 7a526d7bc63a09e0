/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one record from firewallvmd's log process to its worker: a blocked
 * packet. pure. Fed by a process that reads packets of qubes, so the worker
 * checks every field. One record is one SOCK_SEQPACKET message. */
#ifndef SQ_FIREWALLVM_LOG_RECORD_H
#define SQ_FIREWALLVM_LOG_RECORD_H

#include <stdint.h>

#include "rules/fw_event.h"

#define LOG_RECORD_BYTES 40

/** @param e  seq and epoch_s do not go along; all LOG_RECORD_BYTES of
 *            @p out are written */
void log_record_encode(const struct fw_event *e, uint8_t out[LOG_RECORD_BYTES]);

/** @param ret  written on success only, seq and epoch_s 0
 *  @return 0; -EBADMSG */
int log_record_decode(const uint8_t untrusted[LOG_RECORD_BYTES],
                      struct fw_event *ret);

#endif
