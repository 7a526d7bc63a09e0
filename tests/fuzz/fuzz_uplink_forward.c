/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes netvm/uplink_forward.c: the input is a key's number, a blank and its
 * value. What is taken has legal ports and one family, what is not is told. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netvm/uplink_forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct uplink_forwards l;
    char *copy = malloc(size + 1), buf[UPLINK_FORWARD_WHY_MAX];
    struct text rest, number;

    if (!copy)
        return 0;
    memcpy(copy, data, size); /* exactly its size: overruns are seen */
    rest = (struct text){copy, size};
    l.n = 0;
    l.error[0] = 0;
    if (parse_split(&rest, ' ', &number) && rest.p)
        uplink_forwards_add(&l, number, rest);
    for (size_t i = 0; i < l.n; i++) {
        const struct uplink_forward *f = &l.v[i];

        if (!f->uplink_port || !f->dst_port || !f->dst.family ||
            (f->from.addr.family && f->from.addr.family != f->dst.family))
            abort();
    }
    if (!text_printable(text_of(uplink_forwards_status(&l, buf))))
        abort();
    free(copy);
    return 0;
}
