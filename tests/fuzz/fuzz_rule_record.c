/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz what a taken-over worker may send: a row of records into the
 * monitor, with a kernel that compiles every list and commits nothing. A
 * leading byte picks when that kernel says no. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/answer_compile.h"
#include "firewallvm/monitor.h"
#include "firewallvm/name_compile.h"
#include "firewallvm/rule_compile.h"
#include "lib/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1000u

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

static int fake_start(void *arg, struct fw_state *st)
{
    struct nft *b;

    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_base(b, st, true);
    compile_answers(b, st, 0, NFT_QUEUE_XT);
    compile_names_missing(b, st->sets, NOW_MS);
    if (compile_sources(b, st->v, st->n) < 0)
        abort();
    return done(arg, b);
}

static int fake_apply(void *arg, const struct fw_state *st, struct fw_source *s,
                      const struct fw_source *old)
{
    const struct name_sets_at at = {st->sets, NOW_MS};
    const struct fw_names names = name_sets_names(&at);
    struct fw_packet p = {.dst = s->addr, .l4proto = 6, .dport = 80};
    struct nft *b;

    rule_eval_names(s->v, s->n, s->policy, &st->dns, &names, &p, NULL);
    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_names_missing(b, st->sets, NOW_MS);
    if (compile_source(b, s, old) < 0)
        abort();
    compile_names_needless(b, st->sets);
    return done(arg, b);
}

static int fake_remove(void *arg, const struct fw_state *st,
                       const struct fw_source *s)
{
    struct nft *b;

    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_source_del(b, s);
    compile_names_needless(b, st->sets);
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

static int fake_paths(void *arg, const struct fw_state *st,
                      enum fw_path_kind kind)
{
    struct nft *b;

    path_allows(st->path[kind], st->n_path[kind], &st->dns.addr[0],
                &st->dns.addr[1], 6, 80);
    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_paths(b, kind, st->path[kind], st->n_path[kind]);
    return done(arg, b);
}

static int fake_set(void *arg, const struct fw_state *st, unsigned set,
                    bool lost)
{
    struct nft *b;

    (void)lost;
    if (!name_sets_placed(st->sets, set))
        abort();
    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_name_again(b, st->sets, set, NOW_MS);
    return done(arg, b);
}

static int fake_watch(void *arg, const struct fw_state *st, size_t had)
{
    struct nft *b;

    if (nft_new(FW_TABLE, &b) < 0)
        return -ENOMEM;
    compile_answers(b, st, had, NFT_QUEUE_OWN);
    return done(arg, b);
}

static int fake_pass(void *arg, uint32_t id, bool all)
{
    (void)arg;
    (void)id;
    (void)all;
    return 0;
}

static uint64_t fake_now_ms(void *arg)
{
    (void)arg;
    return NOW_MS;
}

static int fake_device(void *arg, const char *name, bool there)
{
    (void)arg;
    (void)name;
    (void)there;
    return 0;
}

static int fake_count_all(void *arg)
{
    (void)arg;
    return 0;
}

static int fake_count(void *arg, const struct fw_source *s,
                      struct fw_totals *ret_totals, struct fw_count *ret_v,
                      size_t *ret_n)
{
    (void)arg;
    (void)s;
    *ret_totals = (struct fw_totals){0};
    ret_v[0] = (struct fw_count){.number = FW_COUNT_OF_POLICY};
    *ret_n = 1;
    return 0;
}

static int fake_answer(void *arg, const uint8_t bytes[RECORD_BYTES])
{
    struct record rec;

    (void)arg;
    if (record_decode(bytes, &rec) < 0 || rec.type < 64)
        abort();
    return 0;
}

static const struct monitor_ops OPS = {
    .start = fake_start,
    .apply = fake_apply,
    .remove = fake_remove,
    .set_dns = fake_dns,
    .paths = fake_paths,
    .set = fake_set,
    .watch = fake_watch,
    .pass = fake_pass,
    .now_ms = fake_now_ms,
    .device = fake_device,
    .count_all = fake_count_all,
    .count = fake_count,
    .answer = fake_answer,
};

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
    struct monitor *m;
    int r = 0;

    if (size < 1 || monitor_new(&OPS, &fake, &m) < 0)
        return 0;
    fake.fail_at = data[0];
    data++;
    size--;
    while (size >= RECORD_BYTES && r >= 0) {
        check_codec(data);
        r = monitor_take(m, data);
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
    }
    if (monitor_sources(m) > FW_SOURCES_MAX)
        abort();
    monitor_free(m);
    return 0;
}
