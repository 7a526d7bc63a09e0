/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the uplink shall be configured, as dom0 says under /sysqube-uplink/:
 * mode, and for mode static address, gateway, dns, address6, gateway6.
 * pure. Fed by dom0's keys (trusted, checked all the same: a typing error
 * of the administrator must give a sentence, not a dead network). */
#ifndef SQ_NETVM_UPLINK_CONF_H
#define SQ_NETVM_UPLINK_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ipaddr.h"

#define UPLINK_CONF_PREFIX "/sysqube-uplink/"
#define UPLINK_CONF_DNS 4
#define UPLINK_CONF_ERROR_MAX 128

enum uplink_mode { UPLINK_DHCP, UPLINK_STATIC };

struct uplink_conf {
    enum uplink_mode mode; /* no key: DHCP */
    struct ipnet addr4;    /* family 0: none */
    struct ipaddr gateway4;
    struct ipnet addr6;
    struct ipaddr gateway6; /* may be link-local */
    unsigned n_dns;
    struct ipaddr dns[UPLINK_CONF_DNS];
    char error[UPLINK_CONF_ERROR_MAX]; /* first fault found, "" for none */
};

/** Begin: mode DHCP, nothing else set. */
void uplink_conf_init(struct uplink_conf *c);

/** Take one key. A fault is kept in c->error (the first one only).
 *  @param key    what follows UPLINK_CONF_PREFIX; an unknown one is a fault
 *  @param value  its value; empty counts as not set */
void uplink_conf_set(struct uplink_conf *c, const char *key, struct text value);

/** After the last key: is the whole usable?
 *  Mode static wants an address; a gateway wants an address of its family,
 *  an IPv4 gateway must be inside the address's network or the address be
 *  a /32.
 *  @return 0; -EINVAL: c->error is a sentence for the administrator */
int uplink_conf_check(struct uplink_conf *c);

#endif
