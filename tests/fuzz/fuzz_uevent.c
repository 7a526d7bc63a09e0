/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the decoder of kernel uevents: any bytes as one datagram. */
#include <stdint.h>

#include "usbvm/uevent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uevent e;

    if (uevent_parse(data, size, &e) == 0 && e.action > UEVENT_OTHER)
        __builtin_trap();
    return 0;
}
