/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes firewallvm/names_dns.c: whatever the bytes say, an answer holds
 * few, distinct addresses that a host may have, and a name or none. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/names_dns.h"
#include "rules/rule_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_answer a;
    unsigned i, k;

    if (dns_answer_parse(data, size, &a) < 0)
        return 0;
    if (a.n > DNS_ADDRS_MAX || (a.status == DNS_OK) != (a.n > 0))
        abort();
    if (a.name[0] && rule_parse_name(text_of(a.name)) < 0)
        abort();
    for (i = 0; i < a.n; i++) {
        if (a.v[i].addr.family != a.family || !ipaddr_is_host(&a.v[i].addr))
            abort();
        for (k = 0; k < i; k++)
            if (ipaddr_eq(&a.v[i].addr, &a.v[k].addr))
                abort();
    }
    return 0;
}
