/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcpcd's environment -> one record; the check of such a record. pure. Fed
 * by the network (hostile); see dhcp_facts.h. Does not send anything. */
#include "netvm/dhcp_facts.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"

struct reason {
    const char *name;
    uint8_t source;
    uint8_t event;
};

/* dhcpcd keeps the interface as it is when it is stopped (its option
 * "persistent"), so STOPPED tells nothing; every other reason that is not
 * here tells nothing either. */
static const struct reason REASONS[] = {
    {"BOUND", DHCP_FACTS_V4, DHCP_FACTS_HAVE},
    {"RENEW", DHCP_FACTS_V4, DHCP_FACTS_HAVE},
    {"REBIND", DHCP_FACTS_V4, DHCP_FACTS_HAVE},
    {"REBOOT", DHCP_FACTS_V4, DHCP_FACTS_HAVE},
    {"INFORM", DHCP_FACTS_V4, DHCP_FACTS_HAVE},
    {"EXPIRE", DHCP_FACTS_V4, DHCP_FACTS_LOST},
    {"NAK", DHCP_FACTS_V4, DHCP_FACTS_LOST},
    {"FAIL", DHCP_FACTS_V4, DHCP_FACTS_LOST},
    {"RELEASE", DHCP_FACTS_V4, DHCP_FACTS_LOST},
    {"STOP", DHCP_FACTS_V4, DHCP_FACTS_LOST},
    {"ROUTERADVERT", DHCP_FACTS_RA, DHCP_FACTS_HAVE},
    {"BOUND6", DHCP_FACTS_V6, DHCP_FACTS_HAVE},
    {"RENEW6", DHCP_FACTS_V6, DHCP_FACTS_HAVE},
    {"REBIND6", DHCP_FACTS_V6, DHCP_FACTS_HAVE},
    {"REBOOT6", DHCP_FACTS_V6, DHCP_FACTS_HAVE},
    {"INFORM6", DHCP_FACTS_V6, DHCP_FACTS_HAVE},
    {"EXPIRE6", DHCP_FACTS_V6, DHCP_FACTS_LOST},
    {"RELEASE6", DHCP_FACTS_V6, DHCP_FACTS_LOST},
    {"STOP6", DHCP_FACTS_V6, DHCP_FACTS_LOST},
    {"NOCARRIER", DHCP_FACTS_LINK, DHCP_FACTS_LOST},
    {"DEPARTED", DHCP_FACTS_LINK, DHCP_FACTS_LOST},
};

/* The resolver's own addresses: a network that names them as its servers
 * would make the resolver ask itself. */
static bool is_virtual_dns(const struct ipaddr *a)
{
    static const uint8_t net[] = {10, 139, 1};

    return a->family == AF_INET && memcmp(a->b, net, sizeof(net)) == 0 &&
           (a->b[3] == 1 || a->b[3] == 2);
}

static bool is_link_local6(const struct ipaddr *a)
{
    return a->family == AF_INET6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* ::/80: unspecified, loopback and the forms that hide an IPv4 address. */
static bool is_embedded4(const struct ipaddr *a)
{
    static const uint8_t zero[10];

    return a->family == AF_INET6 && memcmp(a->b, zero, sizeof(zero)) == 0;
}

/* An address of another host, or one we may have ourselves. */
static bool usable(const struct ipaddr *a)
{
    if (is_virtual_dns(a) || is_embedded4(a))
        return false;
    return ipaddr_is_host(a) || is_link_local6(a);
}

static bool usable_own(const struct ipaddr *a)
{
    return usable(a) && !is_link_local6(a);
}

static const struct reason *find_reason(struct text name)
{
    for (size_t i = 0; i < ARRAY_LEN(REASONS); i++)
        if (text_eq(name, REASONS[i].name))
            return &REASONS[i];
    return NULL;
}

/* Value of a variable. @return 1; 0 not there; -EBADMSG twice or too long */
static int env_get(char *const envp[], const char *name, struct text *ret)
{
    size_t n = strlen(name);
    int found = 0;

    for (size_t i = 0; envp[i] && i < DHCP_FACTS_ENV_MAX; i++) {
        if (strncmp(envp[i], name, n) != 0 || envp[i][n] != '=')
            continue;
        struct text value = text_of(envp[i] + n + 1);

        if (found || value.len > DHCP_FACTS_VALUE_MAX)
            return -EBADMSG;
        *ret = value;
        found = 1;
    }
    return found;
}

/* An address, a link-local one perhaps with "%" and our interface, as dhcpcd
 * writes the servers of an advertisement. */
static int get_scoped(struct text t, uint8_t family, const char *ifname,
                      struct ipaddr *ret)
{
    struct text rest = t;
    struct text addr;

    parse_split(&rest, '%', &addr);
    if (ipaddr_parse_family(addr, family, ret) < 0)
        return -EBADMSG;
    if (!rest.p)
        return 0;
    return is_link_local6(ret) && text_eq(rest, ifname) ? 0 : -EBADMSG;
}

/* The first @p cap usable addresses of a blank-separated list. One that is
 * no address spoils the list, one that is of no use is passed over. */
static int get_list(char *const envp[], const char *name, uint8_t family,
                    const char *ifname, struct ipaddr *ret, unsigned cap,
                    unsigned *ret_n)
{
    struct text rest;
    struct text piece;
    unsigned n = 0;
    int r = env_get(envp, name, &rest);

    if (r < 0)
        return r;
    while (r > 0 && parse_split(&rest, ' ', &piece)) {
        struct ipaddr a;

        if (get_scoped(piece, family, ifname, &a) < 0)
            return -EBADMSG;
        if (n < cap && usable(&a))
            ret[n++] = a;
    }
    *ret_n = n;
    return 0;
}

static int get_dns(char *const envp[], const char *name, uint8_t family,
                   struct dhcp_facts *out)
{
    unsigned n = 0;
    int r =
        get_list(envp, name, family, out->ifname, out->dns, DHCP_FACTS_DNS, &n);

    out->n_dns = (uint8_t)n;
    return r;
}

static int get_gateway(char *const envp[], const char *name, uint8_t family,
                       struct dhcp_facts *out)
{
    unsigned n = 0;

    return get_list(envp, name, family, out->ifname, &out->gateway, 1, &n);
}

/* An MTU outside the range is not used; one that is no number is refused. */
static int get_mtu(char *const envp[], const char *name, struct dhcp_facts *out)
{
    struct text t;
    int r = env_get(envp, name, &t);

    if (r <= 0)
        return r;
    r = parse_u32(t, DHCP_FACTS_MTU_MIN, DHCP_FACTS_MTU_MAX, &out->mtu);
    return r == -ERANGE ? 0 : r;
}

static int fill_v4(char *const envp[], struct dhcp_facts *out)
{
    struct text t;
    uint32_t prefix;

    if (env_get(envp, "new_ip_address", &t) != 1)
        return -EBADMSG;
    if (ipaddr_parse_family(t, AF_INET, &out->addr.addr) < 0)
        return -EBADMSG;
    if (!usable_own(&out->addr.addr))
        return -EBADMSG;
    if (env_get(envp, "new_subnet_cidr", &t) != 1)
        return -EBADMSG;
    if (parse_u32(t, 1, 32, &prefix) < 0)
        return -EBADMSG;
    out->addr.prefix = (uint8_t)prefix;
    if (get_gateway(envp, "new_routers", AF_INET, out) < 0)
        return -EBADMSG;
    if (get_mtu(envp, "new_interface_mtu", out) < 0)
        return -EBADMSG;
    return get_dns(envp, "new_domain_name_servers", AF_INET, out);
}

/* Only the first router counts: dhcpcd lists them by preference. */
static int fill_ra(char *const envp[], struct dhcp_facts *out)
{
    struct text t;
    int r;

    r = get_gateway(envp, "nd1_from", AF_INET6, out);
    if (r < 0)
        return r;
    if (out->gateway.family == 0) {
        out->event = DHCP_FACTS_LOST;
        return 0;
    }
    r = env_get(envp, "nd1_addr1", &t);
    if (r < 0)
        return r;
    if (r > 0) {
        if (ipnet_parse(t, &out->addr) < 0 ||
            out->addr.addr.family != AF_INET6 || out->addr.prefix == 0 ||
            !usable_own(&out->addr.addr))
            return -EBADMSG;
    }
    r = get_mtu(envp, "nd1_mtu", out);
    if (r < 0)
        return r;
    return get_dns(envp, "nd1_rdnss1_servers", AF_INET6, out);
}

static int fill_v6(char *const envp[], struct dhcp_facts *out)
{
    struct text t;
    int r = env_get(envp, "new_dhcp6_ia_na1_ia_addr1", &t);

    if (r < 0)
        return r;
    if (r > 0) {
        if (ipaddr_parse_family(t, AF_INET6, &out->addr.addr) < 0)
            return -EBADMSG;
        if (!usable_own(&out->addr.addr))
            return -EBADMSG;
        out->addr.prefix = 128;
    }
    return get_dns(envp, "new_dhcp6_name_servers", AF_INET6, out);
}

static int fill(char *const envp[], struct dhcp_facts *out)
{
    if (out->event != DHCP_FACTS_HAVE)
        return 0;
    switch (out->source) {
    case DHCP_FACTS_V4:
        return fill_v4(envp, out);
    case DHCP_FACTS_RA:
        return fill_ra(envp, out);
    case DHCP_FACTS_V6:
        return fill_v6(envp, out);
    default:
        return -EBADMSG;
    }
}

static void blank(struct dhcp_facts *f, const struct reason *why,
                  struct text ifname)
{
    memset(f, 0, sizeof(*f));
    f->version = DHCP_FACTS_VERSION;
    f->source = why->source;
    f->event = why->event;
    memcpy(f->ifname, ifname.p, ifname.len);
}

int dhcp_facts_from_env(char *const envp[], struct dhcp_facts *ret)
{
    struct dhcp_facts out;
    const struct reason *why;
    struct text reason;
    struct text ifname;

    if (env_get(envp, "reason", &reason) != 1)
        return -EPROTO;
    if (env_get(envp, "interface", &ifname) != 1)
        return -EPROTO;
    if (!uplink_name_is_uplink(ifname))
        return -EPROTO;
    why = find_reason(reason);
    if (!why)
        return -ENODATA;
    blank(&out, why, ifname);
    if (fill(envp, &out) < 0) {
        blank(ret, why, ifname);
        ret->event = DHCP_FACTS_BAD;
        return -EBADMSG;
    }
    if (out.event != DHCP_FACTS_HAVE)
        blank(&out, &(struct reason){NULL, out.source, out.event}, ifname);
    memcpy(ret, &out, sizeof(*ret));
    return 0;
}

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < len; i++)
        if (b[i] != 0)
            return false;
    return true;
}

static bool addr_ok(const struct ipaddr *a, uint8_t family, bool may_be_none)
{
    size_t n = ipaddr_len(a);

    if (a->family == 0)
        return may_be_none && all_zero(a->b, sizeof(a->b));
    return a->family == family && usable(a) &&
           all_zero(a->b + n, sizeof(a->b) - n);
}

static bool name_ok(const char name[UPLINK_NAME_MAX])
{
    size_t n = strnlen(name, UPLINK_NAME_MAX);

    return uplink_name_is_uplink((struct text){name, n}) &&
           all_zero(name + n, UPLINK_NAME_MAX - n);
}

static int check_have(const struct dhcp_facts *f)
{
    uint8_t family = f->source == DHCP_FACTS_V4 ? AF_INET : AF_INET6;
    unsigned bits = f->source == DHCP_FACTS_V4 ? 32 : 128;

    if (!addr_ok(&f->addr.addr, family, f->source != DHCP_FACTS_V4))
        return -EBADMSG;
    if (is_link_local6(&f->addr.addr) || f->addr.prefix > bits)
        return -EBADMSG;
    if ((f->addr.prefix == 0) != (f->addr.addr.family == 0))
        return -EBADMSG;
    if (!addr_ok(&f->gateway, family, true))
        return -EBADMSG;
    for (unsigned i = 0; i < DHCP_FACTS_DNS; i++) {
        if (i < f->n_dns && !addr_ok(&f->dns[i], family, false))
            return -EBADMSG;
        if (i >= f->n_dns && !all_zero(&f->dns[i], sizeof(f->dns[i])))
            return -EBADMSG;
    }
    return 0;
}

int dhcp_facts_check(const struct dhcp_facts *f)
{
    if (f->version != DHCP_FACTS_VERSION || f->reserved != 0)
        return -EBADMSG;
    if (f->source >= DHCP_FACTS_SOURCES || f->event >= DHCP_FACTS_EVENTS)
        return -EBADMSG;
    if (f->n_dns > DHCP_FACTS_DNS || !name_ok(f->ifname))
        return -EBADMSG;
    if (f->mtu != 0 &&
        (f->mtu < DHCP_FACTS_MTU_MIN || f->mtu > DHCP_FACTS_MTU_MAX))
        return -EBADMSG;
    if (f->event == DHCP_FACTS_HAVE)
        return f->source == DHCP_FACTS_LINK ? -EBADMSG : check_have(f);
    if (f->n_dns != 0 || f->mtu != 0 || !all_zero(&f->addr, sizeof(f->addr)) ||
        !all_zero(&f->gateway, sizeof(f->gateway)) ||
        !all_zero(f->dns, sizeof(f->dns)))
        return -EBADMSG;
    return 0;
}
