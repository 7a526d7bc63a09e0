/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes what dom0 reads of a firewall VM's status: whatever is taken is
 * written as a text that means the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rules/fw_count.h"
#include "rules/fw_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text t = {(const char *)data, size};
    struct fw_count v[FW_COUNTS_OF_TEXT], v2[FW_COUNTS_OF_TEXT];
    char buf[FW_COUNTS_TEXT_MAX], text[FW_EVENT_TEXT_MAX];
    char totals_text[FW_TOTALS_TEXT_MAX];
    struct fw_totals totals;
    struct fw_event e;
    size_t n, n2, put;

    if (!fw_totals_parse(t, &totals)) {
        int len = fw_totals_format(&totals, totals_text);

        check((size_t)len == size && !memcmp(totals_text, data, size));
    }
    if (!fw_counts_parse(t, v, &n)) {
        put = fw_counts_format(v, n, buf);
        check(put == n || size >= FW_COUNTS_TEXT_MAX);
        check(!fw_counts_parse(text_of(buf), v2, &n2) && n2 == put);
    }
    if (!fw_event_parse(t, &e)) {
        struct fw_event back;

        check(!fw_event_check(&e));
        check(fw_event_format(&e, text) < FW_EVENT_TEXT_MAX);
        check(!fw_event_parse(text_of(text), &back));
        check(back.seq == e.seq && back.reason == e.reason &&
              back.l4proto == e.l4proto && ipaddr_eq(&back.dst, &e.dst));
    }
    return 0;
}
