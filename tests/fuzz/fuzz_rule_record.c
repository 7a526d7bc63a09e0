/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz what a taken-over worker may send: a row of records into the
 * monitor, with a kernel that compiles every list and commits nothing. A
 * leading byte picks when that kernel says no. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/monitor.h"
#include "lib/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fake {
    unsigned calls;
    unsigned fail_at;
};

static int done(struct fake *f, struct nft *b)
{
    int r = nft_error(b);

    nft_free(b);
    if (r < 0)
        abort(); /* what was checked must compile */
    return ++f->calls == f->fail_at ? -ENOMEM : 0;
}

static int fake_start(void *arg, const struct fw_source *v, size_t n,
                      const struct fw_dns *dns, bool snat)
{
    struct nft *b;
    size_t i;

    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_base(b, dns, snat);
    for (i = 0; i < n; i++)
        compile_source(b, &v[i], true);
    return done(arg, b);
}

static int fake_apply(void *arg, const struct fw_source *s, bool is_new,
                      const struct fw_dns *dns)
{
    struct fw_packet p = {.dst = s->addr, .l4proto = 6, .dport = 80};
    struct nft *b;

    rule_eval(s->v, s->n, s->policy, dns, &p, NULL);
    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_source(b, s, is_new);
    return done(arg, b);
}

static int fake_remove(void *arg, const struct ipaddr *addr)
{
    struct nft *b;

    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_source_del(b, addr);
    return done(arg, b);
}

static int fake_dns(void *arg, const struct fw_dns *dns)
{
    struct nft *b;

    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_dns(b, dns);
    return done(arg, b);
}

static const struct monitor_ops OPS = {fake_start, fake_apply, fake_remove,
                                       fake_dns};

/* A record that decodes says the same again. */
static void check_codec(const uint8_t *bytes)
{
    uint8_t again[RECORD_BYTES];
    struct record rec;

    if (record_decode(bytes, &rec) == 0 &&
        (record_encode(&rec, again) < 0 ||
         memcmp(bytes, again, RECORD_BYTES) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake fake = {0};
    uint8_t answer[RECORD_BYTES];
    struct monitor *m;
    struct record rec;
    int r = 0;

    if (size < 1 || monitor_new(&OPS, &fake, &m) < 0)
        return 0;
    fake.fail_at = data[0];
    data++;
    size--;
    while (size >= RECORD_BYTES && r >= 0) {
        check_codec(data);
        r = monitor_take(m, data, answer);
        if (r == 1 && (record_decode(answer, &rec) < 0 || rec.type < 64))
            abort();
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
    }
    if (monitor_sources(m) > MONITOR_SOURCES_MAX)
        abort();
    monitor_free(m);
    return 0;
}
