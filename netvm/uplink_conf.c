/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dom0's wishes for the uplink. pure. Fed by dom0's keys; see
 * uplink_conf.h. Does not apply anything. */
#include "netvm/uplink_conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

void uplink_conf_init(struct uplink_conf *c)
{
    memset(c, 0, sizeof(*c));
    c->mode = UPLINK_DHCP;
}

static void __attribute__((format(printf, 2, 3)))
fault(struct uplink_conf *c, const char *fmt, ...)
{
    va_list ap;

    if (c->error[0])
        return;
    va_start(ap, fmt);
    vsnprintf(c->error, sizeof(c->error), fmt, ap);
    va_end(ap);
}

typedef int (*conf_reader)(struct uplink_conf *c, struct text value);

static int read_mode(struct uplink_conf *c, struct text value)
{
    if (text_eq(value, "dhcp"))
        c->mode = UPLINK_DHCP;
    else if (text_eq(value, "static"))
        c->mode = UPLINK_STATIC;
    else
        return -EBADMSG;
    return 0;
}

static int read_net(struct text value, uint8_t family, struct ipnet *ret)
{
    struct ipnet n;

    if (!value.len || !memchr(value.p, '/', value.len))
        return -EBADMSG;
    if (ipnet_parse(value, &n) < 0 || n.addr.family != family)
        return -EBADMSG;
    if (!ipaddr_is_host(&n.addr) || n.prefix == 0)
        return -EBADMSG;
    *ret = n;
    return 0;
}

static int read_address(struct uplink_conf *c, struct text value)
{
    return read_net(value, AF_INET, &c->addr4);
}

static int read_address6(struct uplink_conf *c, struct text value)
{
    return read_net(value, AF_INET6, &c->addr6);
}

static int read_gateway(struct uplink_conf *c, struct text value)
{
    struct ipaddr a;

    if (ipaddr_parse_family(value, AF_INET, &a) < 0 || !ipaddr_is_host(&a))
        return -EBADMSG;
    c->gateway4 = a;
    return 0;
}

static bool link_local6(const struct ipaddr *a)
{
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static int read_gateway6(struct uplink_conf *c, struct text value)
{
    struct ipaddr a;

    if (ipaddr_parse_family(value, AF_INET6, &a) < 0)
        return -EBADMSG;
    if (!ipaddr_is_host(&a) && !link_local6(&a))
        return -EBADMSG;
    c->gateway6 = a;
    return 0;
}

static int read_dns(struct uplink_conf *c, struct text value)
{
    struct ipaddr dns[UPLINK_CONF_DNS];
    struct text piece;
    unsigned n = 0;

    while (parse_split(&value, ' ', &piece)) {
        if (n == UPLINK_CONF_DNS || ipaddr_parse(piece, &dns[n]) < 0 ||
            !ipaddr_is_host(&dns[n]))
            return -EBADMSG;
        n++;
    }
    memcpy(c->dns, dns, n * sizeof(dns[0]));
    c->n_dns = n;
    return 0;
}

static const struct {
    const char *key;
    conf_reader read;
    const char *want;
} KEYS[] = {
    {"mode", read_mode, "dhcp or static"},
    {"address", read_address, "IPV4/LENGTH"},
    {"gateway", read_gateway, "an IPv4 address"},
    {"address6", read_address6, "IPV6/LENGTH"},
    {"gateway6", read_gateway6, "an IPv6 address"},
    {"dns", read_dns, "up to 4 addresses, one blank between"},
};

void uplink_conf_set(struct uplink_conf *c, const char *key, struct text value)
{
    char shown[40];

    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        if (strcmp(key, KEYS[i].key) != 0)
            continue;
        if (value.len == 0 || KEYS[i].read(c, value) == 0)
            return;
        log_clean(shown, sizeof(shown), value.p, value.len);
        fault(c, "%s '%s': expected %s", key, shown, KEYS[i].want);
        return;
    }
    log_clean(shown, sizeof(shown), key, strlen(key));
    fault(c, "unknown key '%s'", shown);
}

static void check_static(struct uplink_conf *c)
{
    if (!c->addr4.addr.family && !c->addr6.addr.family)
        fault(c, "mode static needs address or address6");
    if (c->gateway4.family) {
        if (!c->addr4.addr.family)
            fault(c, "gateway without address");
        else if (c->addr4.prefix < 32 && !ipnet_has(&c->addr4, &c->gateway4))
            fault(c, "gateway is outside the network of address");
    }
    if (c->gateway6.family && !c->addr6.addr.family)
        fault(c, "gateway6 without address6");
}

int uplink_conf_check(struct uplink_conf *c)
{
    if (c->mode == UPLINK_STATIC)
        check_static(c);
    return c->error[0] ? -EINVAL : 0;
}
