/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fair share of one qube. pure. Fed by dom0's keys and by the worker's
 * records. See limits.h. */
#include "firewallvm/limits.h"

#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

struct fw_limits limits_default(void)
{
    return (struct fw_limits){
        .flows = FW_FLOWS_DEFAULT,
        .rate = FW_RATE_DEFAULT,
        .burst = FW_BURST_DEFAULT,
    };
}

/* One row a word: name and range. */
static const struct {
    const char *name;
    uint64_t min, max;
} WORDS[] = {
    {"flows=", 1, FW_FLOWS_MAX}, {"rate=", 1, FW_RATE_MAX},
    {"burst=", 1, FW_RATE_MAX},  {"bandwidth=", 0, FW_BANDWIDTH_MAX},
    {"quota=", 0, FW_QUOTA_MAX},
};

static int take_word(struct text word, uint64_t v[ARRAY_LEN(WORDS)],
                     unsigned *seen)
{
    size_t i, len;

    for (i = 0; i < ARRAY_LEN(WORDS); i++) {
        len = strlen(WORDS[i].name);
        if (word.len > len && memcmp(word.p, WORDS[i].name, len) == 0)
            break;
    }
    if (i == ARRAY_LEN(WORDS) || (*seen & 1u << i) != 0)
        return -EBADMSG;
    *seen |= 1u << i;
    word.p += len;
    word.len -= len;
    return parse_u64(word, WORDS[i].min, WORDS[i].max, &v[i]) < 0 ? -EBADMSG
                                                                  : 0;
}

int limits_parse(struct text untrusted_value, struct fw_limits *ret)
{
    struct fw_limits l = limits_default();
    uint64_t v[ARRAY_LEN(WORDS)] = {l.flows, l.rate, l.burst, l.bandwidth,
                                    l.quota};
    struct text rest = untrusted_value, word;
    unsigned seen = 0;

    while (rest.p && rest.len > 0 && parse_split(&rest, ' ', &word))
        if (take_word(word, v, &seen) < 0)
            return -EBADMSG;
    if (rest.p && rest.len == 0 && seen != 0)
        return -EBADMSG; /* a blank at the end */
    *ret = (struct fw_limits){
        .flows = (uint32_t)v[0],
        .rate = (uint32_t)v[1],
        .burst = (uint32_t)v[2],
        .bandwidth = v[3],
        .quota = v[4],
    };
    return 0;
}

int limits_check(const struct fw_limits *l)
{
    const uint64_t v[ARRAY_LEN(WORDS)] = {l->flows, l->rate, l->burst,
                                          l->bandwidth, l->quota};
    size_t i;

    for (i = 0; i < ARRAY_LEN(WORDS); i++)
        if (v[i] < WORDS[i].min || v[i] > WORDS[i].max)
            return -EBADMSG;
    return 0;
}

bool limits_same_share(const struct fw_limits *a, const struct fw_limits *b)
{
    return a->flows == b->flows && a->rate == b->rate && a->burst == b->burst;
}

bool limits_metered(const struct fw_limits *l)
{
    return l->bandwidth != 0 || l->quota != 0;
}
