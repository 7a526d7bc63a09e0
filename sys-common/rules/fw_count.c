/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters as text. pure. See fw_count.h. */
#include "rules/fw_count.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule.h"
#include "rules/rule_parse.h"

#define POLICY "policy"

int fw_totals_format(const struct fw_totals *t, char buf[FW_TOTALS_TEXT_MAX])
{
    return snprintf(buf, FW_TOTALS_TEXT_MAX,
                    "passed %" PRIu64 " %" PRIu64 " blocked %" PRIu64
                    " %" PRIu64 " flows %" PRIu32,
                    t->passed_packets, t->passed_bytes, t->blocked_packets,
                    t->blocked_bytes, t->flows);
}

static int take_u64(struct text *rest, char sep, uint64_t *ret)
{
    struct text t;

    if (!rest->p || !parse_split(rest, sep, &t))
        return -EBADMSG;
    return parse_u64(t, 0, UINT64_MAX, ret) ? -EBADMSG : 0;
}

static int take_word(struct text *rest, const char *word)
{
    struct text t;

    return rest->p && parse_split(rest, ' ', &t) && text_eq(t, word) ? 0
                                                                     : -EBADMSG;
}

int fw_totals_parse(struct text untrusted, struct fw_totals *ret)
{
    struct text rest = untrusted;
    struct fw_totals t;
    uint64_t flows;

    if (take_word(&rest, "passed") || take_u64(&rest, ' ', &t.passed_packets) ||
        take_u64(&rest, ' ', &t.passed_bytes) || take_word(&rest, "blocked") ||
        take_u64(&rest, ' ', &t.blocked_packets) ||
        take_u64(&rest, ' ', &t.blocked_bytes) || take_word(&rest, "flows") ||
        take_u64(&rest, ' ', &flows) || rest.p || flows > UINT32_MAX)
        return -EBADMSG;
    t.flows = (uint32_t)flows;
    *ret = t;
    return 0;
}

size_t fw_counts_format(const struct fw_count *v, size_t n,
                        char buf[FW_COUNTS_TEXT_MAX])
{
    size_t len = 0, i;

    buf[0] = '\0';
    for (i = 0; i < n; i++) {
        char number[8], one[64];
        int k;

        snprintf(number, sizeof(number), "%04u", v[i].number);
        k = snprintf(one, sizeof(one), "%s%s:%" PRIu64 ":%" PRIu64,
                     len ? " " : "",
                     v[i].number == FW_COUNT_OF_POLICY ? POLICY : number,
                     v[i].packets, v[i].bytes);
        if (i == FW_COUNTS_OF_TEXT || len + (size_t)k >= FW_COUNTS_TEXT_MAX)
            break;
        memcpy(buf + len, one, (size_t)k + 1);
        len += (size_t)k;
    }
    return i;
}

static int take_count(struct text t, struct fw_count *ret)
{
    struct text rest = t, name;
    unsigned number = FW_COUNT_OF_POLICY;

    if (!parse_split(&rest, ':', &name) || !rest.p)
        return -EBADMSG;
    if (!text_eq(name, POLICY) && rule_parse_number(name, &number))
        return -EBADMSG;
    ret->number = (uint16_t)number;
    if (take_u64(&rest, ':', &ret->packets) ||
        take_u64(&rest, ':', &ret->bytes) || rest.p)
        return -EBADMSG;
    return 0;
}

int fw_counts_parse(struct text untrusted, struct fw_count *ret, size_t *ret_n)
{
    struct text rest = untrusted, one;
    size_t n = 0;

    while (rest.p && rest.len && parse_split(&rest, ' ', &one)) {
        if (n == FW_COUNTS_OF_TEXT)
            return -ENOBUFS;
        if (take_count(one, &ret[n]))
            return -EBADMSG;
        n++;
    }
    if (rest.p && untrusted.len)
        return -EBADMSG; /* a blank at the end */
    *ret_n = n;
    return 0;
}
