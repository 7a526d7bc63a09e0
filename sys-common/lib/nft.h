/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One nftables transaction by libnftnl: a batch that grows as tables,
 * chains, sets, elements and rules are added, then is sent at once; the
 * kernel commits all of it or nothing. effect (only nft_commit() touches
 * the kernel; building is pure, so tests can look at the bytes). Fed by our
 * own compilers. Knows no policy: each owner of a table has its own file. */
#ifndef SQ_LIB_NFT_H
#define SQ_LIB_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/nl.h"

struct nft;      /* a batch under construction */
struct nft_rule; /* a rule under construction (expressions in order) */

/** A new empty batch for one table of family inet.
 *  @param table  name, borrowed until nft_free()
 *  @return 0; -ENOMEM */
int nft_new(const char *table, struct nft **ret);
void nft_free(struct nft *b);
/** First error of any building call since nft_new() (they return nothing):
 *  0, -ENOMEM, -ENOBUFS. nft_commit() refuses such a batch. */
int nft_error(const struct nft *b);
/** Bytes of the batch so far (for tests), valid until the next call. */
const void *nft_bytes(struct nft *b, size_t *ret_len);

/** Send and wait. @return 0; -errno of the first refused message, and
 *  nothing has changed then; *ret_msg (may be NULL) is its number in the
 *  batch counting from 0 */
int nft_commit(struct nft *b, struct nl *nl, unsigned *ret_msg);

/* ---- objects. `del` of something that is not there is an error of the
 * kernel; nft_table_reset() is the way to begin anew. ---- */
/** add + delete + add: whatever was there is gone, in the same batch. */
void nft_table_reset(struct nft *b);
void nft_table_add(struct nft *b);
/** add + delete: the table is gone whether it was there or not. */
void nft_table_drop(struct nft *b);

#define NFT_HOOK_PREROUTING 0
#define NFT_HOOK_INPUT 1
#define NFT_HOOK_FORWARD 2
#define NFT_HOOK_POSTROUTING 4
/** A base chain. @param type "filter", "nat" or "route"
 *  @param policy_drop  policy drop instead of accept */
void nft_base_chain(struct nft *b, const char *name, const char *type,
                    uint32_t hook, int32_t prio, bool policy_drop);
void nft_chain_add(struct nft *b, const char *name);
void nft_chain_flush(struct nft *b, const char *name);
/** Deletes an empty, unreferenced chain (flush it first). */
void nft_chain_del(struct nft *b, const char *name);
/** A named counter object. */
void nft_counter_add(struct nft *b, const char *name);

/** A named limit: @p rate packets a second, @p burst at once. */
void nft_limit_add(struct nft *b, const char *name, uint64_t rate,
                   uint32_t burst);
/** A flowtable at ingress; it begins without devices. */
void nft_flowtable_add(struct nft *b, const char *name);
/** Add devices to it, or take them away; others are not touched.
 *  @param devices  names, at most NFT_DEVICES_MAX, and a NULL */
#define NFT_DEVICES_MAX 128
void nft_flowtable_devices(struct nft *b, const char *name,
                           const char *const *devices, bool del);

/* Types of set keys and data; numbers as nft(8) shows them. */
enum nft_type {
    NFT_T_IPV4 = 7,
    NFT_T_IPV6 = 8,
    NFT_T_INET_PROTO = 12,
    NFT_T_INET_SERVICE = 13,
    NFT_T_ICMP_TYPE = 14,
    NFT_T_ICMPV6_TYPE = 29,
    NFT_T_IFNAME = 41,
};
#define NFT_F_INTERVAL 0x4u  /* NFT_SET_INTERVAL */
#define NFT_F_MAP 0x8u       /* NFT_SET_MAP: data is a verdict or a mark */
#define NFT_F_TIMEOUT 0x10u  /* NFT_SET_TIMEOUT: elements may end */
#define NFT_F_STATEFUL 0x20u /* NFT_SET_EVAL: elements may carry a state */
#define NFT_KEY_FIELDS 4

/** One set or map: key = @p n_types fields concatenated. */
struct nft_set_spec {
    const char *name;
    enum nft_type types[NFT_KEY_FIELDS];
    unsigned n_types;
    uint32_t flags; /* NFT_F_* */
    bool marks;     /* a map's data is a mark, not a verdict */
    bool counted;   /* each element counts what it matched */
    uint32_t size;  /* elements at most; 0: the set grows as it must */
};
void nft_set_add(struct nft *b, const struct nft_set_spec *spec);
void nft_set_flush(struct nft *b, const char *name);
/** Deletes a set no rule refers to any more. */
void nft_set_del(struct nft *b, const char *name);

/** A key under construction, {0} is empty. Each field of a concatenation is
 *  padded to 4 bytes; a key of one field is sent without its padding. */
struct nft_key {
    uint8_t b[64];
    size_t len;
    size_t only; /* bytes of the field if there is just one, else 0 */
};
void nft_key_addr(struct nft_key *k, const struct ipaddr *a);
void nft_key_u8(struct nft_key *k, uint8_t v);
void nft_key_be16(struct nft_key *k, uint16_t v); /* host order in */
void nft_key_ifname(struct nft_key *k, const char *ifname);

/** Add or delete an element of a plain set or map. */
void nft_elem_add(struct nft *b, const char *set, const struct nft_key *key);
void nft_elem_del(struct nft *b, const char *set, const struct nft_key *key);
/** What an element carries besides its key. */
enum nft_elem_data {
    NFT_ELEM_PLAIN = 0,
    NFT_ELEM_MARK = 1, /* `mark` */
    NFT_ELEM_GOTO = 2, /* goto `chain` */
    NFT_ELEM_JUMP = 3, /* jump `chain` */
};
/** A state an element keeps (sets with NFT_F_STATEFUL). A lookup that finds
 *  the element matches only while the state is over its limit. */
enum nft_state_kind {
    NFT_STATE_NONE = 0,
    NFT_STATE_FLOWS = 1, /* more than `limit` tracked connections; the kernel
                          * takes away an element that has none */
    NFT_STATE_RATE = 2,  /* more than `limit` packets a second */
    NFT_STATE_BYTES = 3, /* more than `limit` bytes a second */
    NFT_STATE_QUOTA = 4, /* more than `limit` bytes in all */
};
struct nft_elem {
    const struct nft_key *key; /* NULL: of a map, for every other key */
    const struct nft_key *end; /* inclusive, of a concatenated interval */
    bool interval_end;         /* of a one-field interval: first key behind */
    enum nft_elem_data data;
    uint32_t mark;
    const char *chain;
    enum nft_state_kind state;
    uint64_t limit;
    uint64_t burst;      /* packets or bytes, RATE and BYTES */
    uint64_t used;       /* QUOTA: bytes consumed before */
    uint64_t timeout_ms; /* it ends by itself then; 0: it does not */
};
/** Many elements of one set in as few messages as possible. Between begin
 *  and end nothing else may be added to the batch. */
struct nft_elems {
    struct nft *b;
    const char *set;
    bool del;
    struct nlmsghdr *h; /* message under construction, or NULL */
    struct nlattr *list;
};
void nft_elems_begin(struct nft *b, const char *set, bool del,
                     struct nft_elems *ret);
void nft_elems_put(struct nft_elems *run, const struct nft_elem *e);
void nft_elems_end(struct nft_elems *run);
/** An interval of a one-field interval set, first to last inclusive: puts
 *  the start and the open end as the kernel wants them. */
void nft_elems_put_range(struct nft_elems *run, const struct nft_elem *first,
                         const struct nft_key *last);
/** memcmp order of two keys of one set. */
int nft_key_cmp(const struct nft_key *a, const struct nft_key *b);

/* ---- rules: nft_rule_begin, expressions, nft_rule_end ---- */
struct nft_rule *nft_rule_begin(struct nft *b, const char *chain);
/** What nft(8) shows as the comment of a rule; read back with its counter.
 *  @param text  at most 60 characters */
void nft_rule_comment(struct nft_rule *r, const char *text);
void nft_rule_end(struct nft *b, struct nft_rule *r);

/* Loads into register 1 (or the given 4-byte slot of it for concatenation,
 * slot 0 first) and compares. */
#define NFT_NH_V4 2u /* NFPROTO_IPV4 */
#define NFT_NH_V6 10u
void nft_match_nfproto(struct nft_rule *r, uint8_t nfproto);
/** meta l4proto: the real layer-4 protocol behind extension headers. */
void nft_match_l4proto(struct nft_rule *r, uint8_t proto);
/** iifname/oifname; a trailing '*' matches a prefix. */
void nft_match_iifname(struct nft_rule *r, const char *name, bool negate);
void nft_match_oifname(struct nft_rule *r, const char *name, bool negate);
/** Source or destination inside @p net (the family is not checked here:
 *  put nft_match_nfproto() first). */
void nft_match_saddr(struct nft_rule *r, const struct ipnet *net, bool negate);
void nft_match_daddr(struct nft_rule *r, const struct ipnet *net, bool negate);
/** Destination port range, host order, inclusive (put l4proto first). */
void nft_match_dport(struct nft_rule *r, uint16_t first, uint16_t last);
void nft_match_sport(struct nft_rule *r, uint16_t first, uint16_t last);
/** First byte of the ICMP or ICMPv6 header: its type. */
void nft_match_icmp_type(struct nft_rule *r, uint8_t type);
/** The IPv6 extension header @p header (0 hop-by-hop, 43 routing, 44
 *  fragment, 60 destination options) is there (put nfproto first). */
void nft_match_exthdr6(struct nft_rule *r, uint8_t header);
/** What follows the first extension header of this number is @p next. No
 *  such header: no match. */
void nft_match_exthdr6_next(struct nft_rule *r, uint8_t header, uint8_t next);
/** The next-header byte of the fixed IPv6 header (put nfproto first). */
void nft_load_nexthdr6(struct nft_rule *r, unsigned slot);
#define NFT_CT_INVALID 1u
#define NFT_CT_ESTABLISHED 2u
#define NFT_CT_RELATED 4u
void nft_match_ct_state(struct nft_rule *r, uint32_t mask);

/** The connection has one of these bits of its status. */
#define NFT_CT_CONFIRMED 8u /* an earlier packet of it has passed */
#define NFT_CT_DNAT 32u     /* its destination is translated */
void nft_match_ct_status(struct nft_rule *r, uint32_t bits);

/* Raw loads for concatenated lookups: slot n is register32 8+n. */
void nft_load_saddr(struct nft_rule *r, uint8_t family, unsigned slot);
void nft_load_daddr(struct nft_rule *r, uint8_t family, unsigned slot);
void nft_load_iifname(struct nft_rule *r, unsigned slot); /* 4 slots */
void nft_load_l4proto(struct nft_rule *r, unsigned slot);
void nft_load_dport(struct nft_rule *r, unsigned slot);
void nft_load_icmp_type(struct nft_rule *r, unsigned slot);
/** Is the key in slots 0.. an element of @p set? @p invert: is it not? */
void nft_lookup(struct nft_rule *r, const char *set, bool invert);
/** Verdict of the element of @p map; no element: go on. */
void nft_lookup_vmap(struct nft_rule *r, const char *map);
/** The packet's mark becomes the data of its element of @p map; no element:
 *  the rule does not match. */
void nft_lookup_mark(struct nft_rule *r, const char *map);

/* Statements. */
void nft_set_mark(struct nft_rule *r, uint32_t mark);
void nft_counter(struct nft_rule *r);
void nft_counter_ref(struct nft_rule *r, const char *name);
void nft_accept(struct nft_rule *r);
void nft_drop(struct nft_rule *r);
void nft_return(struct nft_rule *r);
void nft_jump(struct nft_rule *r, const char *chain);
void nft_goto(struct nft_rule *r, const char *chain);
/** ICMP(v6) administratively prohibited, both families of an inet table. */
void nft_reject_admin(struct nft_rule *r);
/** ICMP(v6) no route to destination. */
void nft_reject_no_route(struct nft_rule *r);
void nft_masquerade(struct nft_rule *r);
/** Tell nflog @p group, with the first @p snaplen bytes of the packet. */
void nft_log(struct nft_rule *r, const char *prefix, uint16_t group,
             uint32_t snaplen);
/** Go on only while the named limit is not reached. */
void nft_limit_ref(struct nft_rule *r, const char *name);
/** The TCP SYN's segment size is at most what the route's MTU allows. */
void nft_clamp_mss(struct nft_rule *r);
/** Go on only if the state that @p set keeps for the key in slot 0 is over
 *  its limit; an element is made if there is none. Elements of RATE go a
 *  minute after their last use (NFT_F_TIMEOUT), those of FLOWS when they
 *  have no flow left. @param kind  FLOWS or RATE
 *  @param burst  packets, of RATE */
void nft_over_in_set(struct nft_rule *r, const char *set,
                     enum nft_state_kind kind, uint64_t limit, uint32_t burst);
/** Count the packet at the element of @p set (NFT_F_STATEFUL, counted) for
 *  the key in slot 0; it is made if there is none. */
void nft_count_in_set(struct nft_rule *r, const char *set);
/** nft_over_in_set() with a state of the rule's own. */
void nft_over(struct nft_rule *r, enum nft_state_kind kind, uint64_t limit,
              uint32_t burst);
/** How a kernel can hand packets to a queue. */
enum nft_queue_way {
    NFT_QUEUE_NONE = 0,
    NFT_QUEUE_OWN = 1, /* nftables' own statement (CONFIG_NFT_QUEUE) */
    NFT_QUEUE_XT = 2,  /* the target of iptables, which some kernels have
                        * instead */
};
/** Hand the packet to queue @p num; without a listener it goes on. */
void nft_queue(struct nft_rule *r, uint16_t num, enum nft_queue_way way);
/** Hand the flow to a flowtable; does not match while it cannot be. */
void nft_flow_add(struct nft_rule *r, const char *flowtable);
/** The connection goes to this address and port (put nfproto and l4proto
 *  first). */
void nft_dnat(struct nft_rule *r, const struct ipaddr *to, uint16_t port);

/** Read a named counter of a table of family inet.
 *  @return 0; -ENOENT; -errno */
int nft_counter_read(struct nl *nl, const char *table, const char *name,
                     uint64_t *ret_packets, uint64_t *ret_bytes);

#endif
