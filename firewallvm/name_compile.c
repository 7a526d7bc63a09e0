/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of names to nftables. pure (appends to a batch). Fed by the monitor's
 * state. See name_compile.h. The kernel ends elements of accept rules by
 * itself, so that nothing stays open when nobody is there to close it. */
#include "firewallvm/name_compile.h"

#include <stdio.h>
#include <sys/socket.h>

const char *compile_name_set(unsigned handle, char buf[FW_SET_NAME_MAX])
{
    snprintf(buf, FW_SET_NAME_MAX, "name.%u", handle);
    return buf;
}

static void fill(struct nft *b, const struct name_sets *ns, unsigned handle,
                 const char *name, uint64_t now_ms)
{
    struct name_addr v[NAME_ADDRS_MAX];
    size_t i, n = name_sets_get(ns, handle, now_ms, v);
    struct nft_elems run;

    nft_elems_begin(b, name, false, &run);
    for (i = 0; i < n; i++) {
        struct nft_key key = {0};
        struct nft_elem e = {.key = &key};

        nft_key_addr(&key, &v[i].addr);
        if (v[i].timeout_s)
            e.timeout_ms = v[i].until_ms - now_ms;
        nft_elems_put(&run, &e);
    }
    nft_elems_end(&run);
}

void compile_names_missing(struct nft *b, const struct name_sets *ns,
                           uint64_t now_ms)
{
    char name[FW_SET_NAME_MAX];
    unsigned h = 0;

    while ((h = name_sets_missing(ns, h)) != 0) {
        bool v4 = name_handle_family(h) == AF_INET;
        const struct nft_set_spec spec = {
            .name = compile_name_set(h, name),
            .types = {v4 ? NFT_T_IPV4 : NFT_T_IPV6},
            .n_types = 1,
            .flags = name_handle_drops(h) ? 0 : NFT_F_TIMEOUT,
        };

        nft_set_add(b, &spec);
        fill(b, ns, h, name, now_ms);
    }
}

void compile_names_needless(struct nft *b, const struct name_sets *ns)
{
    char name[FW_SET_NAME_MAX];
    unsigned h = 0;

    while ((h = name_sets_needless(ns, h)) != 0)
        nft_set_del(b, compile_name_set(h, name));
}

void compile_name_again(struct nft *b, const struct name_sets *ns,
                        unsigned handle, uint64_t now_ms)
{
    char name[FW_SET_NAME_MAX];

    nft_set_flush(b, compile_name_set(handle, name));
    fill(b, ns, handle, name, now_ms);
}
