/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records between worker and resolver. pure. Little endian, field by field.
 * Fed by either side; the worker trusts no answer. See resolver_record.h. */
#include "firewallvm/resolver_record.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "rules/rule_parse.h"

#define HEAD_BYTES 16
#define BODY_BYTES (RESOLVER_REQUEST_BYTES - HEAD_BYTES)
#define ELEM_BYTES 20 /* TTL, address of the answer's family */
#define ADDR_BYTES 17 /* 0, 4 or 6, then 16 bytes */

static_assert(FW_NAME_MAX <= BODY_BYTES, "a name fits");
static_assert(1 + FW_DNS_MAX * ADDR_BYTES <= BODY_BYTES, "servers fit");

/* ---- parts ---- */
static uint8_t family_code(uint8_t family)
{
    return family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0;
}

static int get_family(struct cur *c, bool may_be_none, uint8_t *ret)
{
    uint8_t v;

    if (cur_u8(c, &v) < 0 || (v != 0 && v != 4 && v != 6) ||
        (v == 0 && !may_be_none))
        return -EBADMSG;
    *ret = v == 4 ? AF_INET : v == 6 ? AF_INET6 : 0;
    return 0;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static int get_bytes(struct cur *c, uint8_t family, struct ipaddr *ret)
{
    struct ipaddr a = {.family = family};

    if (cur_copy(c, a.b, sizeof(a.b)) < 0 ||
        !all_zero(a.b + ipaddr_len(&a), sizeof(a.b) - ipaddr_len(&a)))
        return -EBADMSG;
    *ret = a;
    return 0;
}

static int get_zeros(struct cur *c, size_t n)
{
    const uint8_t *p;

    return cur_take(c, n, &p) < 0 || !all_zero(p, n) ? -EBADMSG : 0;
}

/* ---- requests ---- */
static void put_servers(struct wbuf *w, const struct fw_dns *servers)
{
    unsigned i;

    wbuf_u8(w, (uint8_t)servers->n);
    for (i = 0; i < FW_DNS_MAX; i++) {
        wbuf_u8(w, family_code(servers->addr[i].family));
        wbuf_bytes(w, servers->addr[i].b, sizeof(servers->addr[i].b));
    }
}

static int get_servers(struct cur *c, struct fw_dns *ret)
{
    uint8_t n, family;
    unsigned i;

    if (cur_u8(c, &n) < 0 || n > FW_DNS_MAX)
        return -EBADMSG;
    ret->n = n;
    for (i = 0; i < FW_DNS_MAX; i++) {
        if (get_family(c, true, &family) < 0 || (family != 0) != (i < n) ||
            get_bytes(c, family, &ret->addr[i]) < 0)
            return -EBADMSG;
    }
    return 0;
}

/* "" or a name as a rule holds it, not a wildcard, NUL padded to the end of
 * @p room bytes, FW_NAME_MAX or more. */
static int get_text(struct cur *c, size_t room, char ret[FW_NAME_MAX])
{
    const uint8_t *p;
    size_t n;

    if (cur_take(c, room, &p) < 0)
        return -EBADMSG;
    n = strnlen((const char *)p, FW_NAME_MAX);
    if (n >= FW_NAME_MAX || !all_zero(p + n, room - n) ||
        (n > 0 && rule_parse_name((struct text){(const char *)p, n}) < 0))
        return -EBADMSG;
    memcpy(ret, p, n + 1);
    return rule_name_is_wild(ret) ? -EBADMSG : 0;
}

static int get_name(struct cur *c, char ret[FW_NAME_MAX])
{
    return get_text(c, BODY_BYTES, ret) < 0 || !ret[0] ? -EBADMSG : 0;
}

int resolver_request_encode(const struct resolver_request *req,
                            uint8_t out[RESOLVER_REQUEST_BYTES])
{
    struct wbuf w = wbuf_of(out, RESOLVER_REQUEST_BYTES);
    struct resolver_request back;

    memset(out, 0, RESOLVER_REQUEST_BYTES);
    wbuf_u32le(&w, (uint32_t)req->type);
    wbuf_u32le(&w, req->id);
    wbuf_u32le(&w, req->serial);
    wbuf_u8(&w, family_code(req->family));
    wbuf_bytes(&w, "\0\0\0", 3);
    if (req->type == RESOLVER_SERVERS)
        put_servers(&w, &req->servers);
    if (req->type == RESOLVER_WANT)
        wbuf_bytes(&w, req->name, strnlen(req->name, sizeof(req->name)));
    if (wbuf_done(&w) < 0 || resolver_request_decode(out, &back) < 0)
        return -EINVAL;
    return 0;
}

int resolver_request_decode(const uint8_t untrusted[RESOLVER_REQUEST_BYTES],
                            struct resolver_request *ret)
{
    struct cur c = cur_of(untrusted, RESOLVER_REQUEST_BYTES);
    struct resolver_request req = {0};
    uint32_t type;
    int r;

    if (cur_u32le(&c, &type) < 0 || cur_u32le(&c, &req.id) < 0 ||
        cur_u32le(&c, &req.serial) < 0 ||
        get_family(&c, type == RESOLVER_SERVERS, &req.family) < 0 ||
        get_zeros(&c, 3) < 0)
        return -EBADMSG;
    req.type = (enum resolver_type)type;
    if (req.id >= RESOLVER_NAMES_MAX)
        return -EBADMSG;
    if (type == RESOLVER_SERVERS)
        r = req.id || req.serial || req.family ? -EBADMSG
                                               : get_servers(&c, &req.servers);
    else if (type == RESOLVER_WANT)
        r = get_name(&c, req.name);
    else
        r = -EBADMSG;
    if (r < 0 || !all_zero(c.p, c.left))
        return -EBADMSG;
    *ret = req;
    return 0;
}

/* ---- answers ---- */
int resolver_answer_encode(const struct resolver_answer *ans,
                           uint8_t out[RESOLVER_ANSWER_BYTES])
{
    static const uint8_t none[ELEM_BYTES];
    struct wbuf w = wbuf_of(out, RESOLVER_ANSWER_BYTES);
    struct resolver_answer back;
    unsigned i;

    memset(out, 0, RESOLVER_ANSWER_BYTES);
    if (ans->n > DNS_ADDRS_MAX)
        return -EINVAL;
    wbuf_u32le(&w, (uint32_t)ans->type);
    wbuf_u32le(&w, ans->id);
    wbuf_u32le(&w, ans->serial);
    wbuf_u8(&w, family_code(ans->family));
    wbuf_u8(&w, (uint8_t)ans->status);
    wbuf_u8(&w, (uint8_t)ans->n);
    wbuf_u8(&w, 0);
    for (i = 0; i < ans->n; i++) {
        wbuf_u32le(&w, ans->v[i].ttl_s);
        wbuf_bytes(&w, ans->v[i].addr.b, sizeof(ans->v[i].addr.b));
    }
    for (; i < DNS_ADDRS_MAX; i++)
        wbuf_bytes(&w, none, ELEM_BYTES);
    wbuf_u8(&w, family_code(ans->client.family));
    wbuf_bytes(&w, ans->client.b, sizeof(ans->client.b));
    wbuf_bytes(&w, ans->name, strnlen(ans->name, sizeof(ans->name)));
    if (wbuf_done(&w) < 0 || resolver_answer_decode(out, &back) < 0)
        return -EINVAL;
    return 0;
}

static int get_addrs(struct cur *c, struct resolver_answer *ans)
{
    unsigned i;

    for (i = 0; i < ans->n; i++) {
        struct dns_addr *v = &ans->v[i];

        if (cur_u32le(c, &v->ttl_s) < 0 ||
            get_bytes(c, ans->family, &v->addr) < 0 ||
            !ipaddr_is_host(&v->addr))
            return -EBADMSG;
    }
    return get_zeros(c, (DNS_ADDRS_MAX - i) * ELEM_BYTES);
}

/* Whom an answer is sent to, and the name it is about. */
static int get_seen(struct cur *c, struct resolver_answer *ans)
{
    uint8_t family;

    if (get_family(c, true, &family) < 0 ||
        get_bytes(c, family, &ans->client) < 0)
        return -EBADMSG;
    return get_text(c, c->left, ans->name);
}

static int check_answer(const struct resolver_answer *ans, uint32_t type)
{
    if (type == RESOLVER_HELLO || type == RESOLVER_DOWN)
        return ans->client.family || ans->name[0] || ans->id || ans->serial ||
                       ans->family || ans->status || ans->n
                   ? -EBADMSG
                   : 0;
    if (type == RESOLVER_SEEN) {
        bool whole = ans->family != 0;

        if (ans->serial || ans->n > DNS_ADDRS_MAX ||
            (ans->client.family != 0) != whole ||
            (!whole && (ans->status != DNS_FAILED || ans->name[0])))
            return -EBADMSG;
        return (ans->status == DNS_OK) == (ans->n > 0) ? 0 : -EBADMSG;
    }
    if (ans->client.family != 0 || ans->name[0])
        return -EBADMSG;
    if (type != RESOLVER_ANSWER || ans->family == 0 ||
        ans->id >= RESOLVER_NAMES_MAX || ans->n > DNS_ADDRS_MAX)
        return -EBADMSG;
    return (ans->status == DNS_OK) == (ans->n > 0) ? 0 : -EBADMSG;
}

int resolver_answer_decode(const uint8_t untrusted[RESOLVER_ANSWER_BYTES],
                           struct resolver_answer *ret)
{
    struct cur c = cur_of(untrusted, RESOLVER_ANSWER_BYTES);
    struct resolver_answer ans = {0};
    uint8_t status, n;
    uint32_t type;

    if (cur_u32le(&c, &type) < 0 || cur_u32le(&c, &ans.id) < 0 ||
        cur_u32le(&c, &ans.serial) < 0 ||
        get_family(&c, true, &ans.family) < 0 || cur_u8(&c, &status) < 0 ||
        cur_u8(&c, &n) < 0 || get_zeros(&c, 1) < 0 || status > DNS_FAILED)
        return -EBADMSG;
    ans.type = (enum resolver_type)type;
    ans.status = (enum dns_status)status;
    ans.n = n;
    if (n > DNS_ADDRS_MAX || get_addrs(&c, &ans) < 0 ||
        get_seen(&c, &ans) < 0 || check_answer(&ans, type) < 0)
        return -EBADMSG;
    *ret = ans;
    return 0;
}
