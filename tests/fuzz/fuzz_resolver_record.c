/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes firewallvm/resolver_record.c: what decodes encodes to the same
 * bytes, in both directions. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/resolver_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t in[RESOLVER_ANSWER_BYTES] = {0}, out[RESOLVER_ANSWER_BYTES];
    struct resolver_request req;
    struct resolver_answer ans;

    memcpy(in, data, size < sizeof(in) ? size : sizeof(in));
    if (resolver_request_decode(in, &req) == 0 &&
        (resolver_request_encode(&req, out) < 0 ||
         memcmp(in, out, RESOLVER_REQUEST_BYTES) != 0))
        abort();
    if (resolver_answer_decode(in, &ans) == 0 &&
        (resolver_answer_encode(&ans, out) < 0 ||
         memcmp(in, out, RESOLVER_ANSWER_BYTES) != 0))
        abort();
    return 0;
}
