/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the configuration: one table per file, a function per kind of
 * value, and what to say when it does not fit. pure. Fed by config.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/config_impl.h"
#include "dom0/fw_items.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_parse.h"

static int set_choice(struct text v, const char *const *names, size_t n,
                      unsigned *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i] && text_eq(v, names[i])) {
            *ret = (unsigned)i;
            return 0;
        }
    }
    return -EBADMSG;
}

static const char *const kind_names[] = {NULL, "netvm", "firewallvm", "usbvm",
                                         "qube"};
static const char *const label_names[] = {"red",  "orange", "yellow", "green",
                                          "gray", "blue",   "purple", "black"};
static const char *const virt_names[] = {"pvh", "pv", "hvm"};
static const char *const bool_names[] = {NULL, "no", "yes"};
static const char *const uplink_names[] = {NULL, "dhcp", "static"};
static const char *const platform_names[] = {"xen", "netns"};

static int set_kind(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, kind_names, ARRAY_LEN(kind_names), &k);

    if (!r)
        ps->q->kind = (enum qube_kind)k;
    return r;
}

static int set_label(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, label_names, ARRAY_LEN(label_names), &k);

    if (!r)
        ps->q->label = (enum qube_label)k;
    return r;
}

static int set_virt(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, virt_names, ARRAY_LEN(virt_names), &k);

    if (!r)
        ps->q->virt = (enum qube_virt)k;
    return r;
}

static int set_name(struct text v, char dst[CONFIG_NAME_MAX])
{
    int r = parse_qube_name(v);

    return r ? r : text_copy(v, dst, CONFIG_NAME_MAX);
}

static int set_image(struct parser *ps, struct text v)
{
    return set_name(v, ps->q->image);
}

static int set_netvm(struct parser *ps, struct text v)
{
    if (text_eq(v, "none")) {
        ps->q->netvm[0] = 0;
        return 0;
    }
    return set_name(v, ps->q->netvm);
}

/* 16 MiB: nothing of ours boots in less; 1 TiB: a typing error. */
static int set_memory(struct parser *ps, struct text v)
{
    return parse_u32(v, 16, 1024 * 1024,
                     ps->q ? &ps->q->memory_mib : &ps->d->memory_mib);
}

static int set_vcpus(struct parser *ps, struct text v)
{
    return parse_u32(v, 1, 128, ps->q ? &ps->q->vcpus : &ps->d->vcpus);
}

static int set_pci(struct parser *ps, struct text v)
{
    struct config_qube *q = ps->q;

    if (q->n_pci == CONFIG_PCI_MAX)
        return -ENOBUFS;
    if (parse_pci(v, &q->pci[q->n_pci]))
        return -EBADMSG;
    q->pci_line[q->n_pci++] = ps->line;
    return 0;
}

static int set_qid(struct parser *ps, struct text v)
{
    return parse_u32(v, 1, CONFIG_QID_MAX, &ps->q->qid);
}

static int set_host_addr(struct text v, uint8_t family, struct ipaddr *ret)
{
    struct ipaddr a;

    if (ipaddr_parse_family(v, family, &a) || !ipaddr_is_host(&a))
        return -EBADMSG;
    *ret = a;
    return 0;
}

static int set_addr(struct parser *ps, struct text v)
{
    return set_host_addr(v, AF_INET, &ps->q->ip4);
}

static int set_addr6(struct parser *ps, struct text v)
{
    return set_host_addr(v, AF_INET6, &ps->q->ip6);
}

static int set_mac(struct parser *ps, struct text v)
{
    return parse_mac(v, ps->q->mac);
}

static int set_ipv6(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, bool_names, ARRAY_LEN(bool_names), &k);

    if (!r)
        ps->q->ipv6 = (enum config_bool)k;
    return r;
}

static int set_autostart(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, bool_names, ARRAY_LEN(bool_names), &k);

    if (!r)
        ps->q->autostart = k == CONFIG_YES;
    return r;
}

static int set_restart(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, bool_names, ARRAY_LEN(bool_names), &k);

    if (!r)
        ps->q->restart = (enum config_bool)k;
    return r;
}

static int set_kernel(struct parser *ps, struct text v)
{
    if (!text_printable(v))
        return -EBADMSG;
    return text_copy(v, ps->q->kernel_options, CONFIG_TEXT_MAX);
}

static int set_up_mode(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, uplink_names, ARRAY_LEN(uplink_names), &k);

    if (!r)
        ps->q->uplink = (enum qube_uplink)k;
    return r;
}

static int set_net(struct text v, uint8_t family, struct ipnet *ret)
{
    struct ipnet n;

    if (!memchr(v.p, '/', v.len) || ipnet_parse(v, &n) ||
        n.addr.family != family || !ipaddr_is_host(&n.addr))
        return -EBADMSG;
    *ret = n;
    return 0;
}

static int set_up_addr(struct parser *ps, struct text v)
{
    return set_net(v, AF_INET, &ps->q->up_addr);
}

static int set_up_addr6(struct parser *ps, struct text v)
{
    return set_net(v, AF_INET6, &ps->q->up_addr6);
}

static int set_up_gw(struct parser *ps, struct text v)
{
    return set_host_addr(v, AF_INET, &ps->q->up_gw);
}

static int set_up_gw6(struct parser *ps, struct text v)
{
    /* a router is usually known by its link-local address */
    return ipaddr_parse_family(v, AF_INET6, &ps->q->up_gw6);
}

static int set_up_dns(struct parser *ps, struct text v)
{
    struct config_qube *q = ps->q;
    struct text piece;

    while (parse_split(&v, ' ', &piece)) {
        struct ipaddr a;

        if (!piece.len)
            continue;
        if (q->n_up_dns == CONFIG_DNS_MAX)
            return -ENOBUFS;
        if (ipaddr_parse(piece, &a) || !ipaddr_is_host(&a))
            return -EBADMSG;
        q->up_dns[q->n_up_dns++] = a;
    }
    return q->n_up_dns ? 0 : -EBADMSG;
}

static int set_path(struct text v, char dst[CONFIG_PATH_MAX])
{
    if (!v.len || v.p[0] != '/' || !text_printable(v))
        return -EBADMSG;
    for (size_t i = 0; i + 2 < v.len; i++) {
        if (!memcmp(v.p + i, "/..", 3) && (i + 3 == v.len || v.p[i + 3] == '/'))
            return -EBADMSG;
    }
    return text_copy(v, dst, CONFIG_PATH_MAX);
}

static int set_ns_uplink(struct parser *ps, struct text v)
{
    return set_path(v, ps->q->ns_uplink);
}

static int set_ns_bridge(struct parser *ps, struct text v)
{
    if (!v.len || !text_only(v, PARSE_LOWER PARSE_UPPER PARSE_DIGIT "_.-"))
        return -EBADMSG;
    return text_copy(v, ps->q->ns_bridge, CONFIG_IF_MAX);
}

static int set_rule(struct parser *ps, struct text v)
{
    struct config_qube *q = ps->q;
    struct rule_error why;
    struct config_rule *n;
    struct fw_rule rule;

    if (q->n_rules == CONFIG_RULES_MAX)
        return -ENOBUFS;
    if (rule_parse_line(v, 0, &rule, &why)) {
        problems_add(ps->out, ps->file, ps->line,
                     "Rule=%.*s: %s (at byte %u of the rule); expected as "
                     "in 'accept proto=tcp dst4=192.0.2.1 dstports=443'",
                     v.len > 100 ? 100 : (int)v.len, v.p, why.reason,
                     why.column);
        return 0;
    }
    n = realloc(q->rules, (q->n_rules + 1) * sizeof(*n));
    if (!n) {
        ps->failed = true;
        return 0;
    }
    q->rules = n;
    n += q->n_rules++;
    *n = (struct config_rule){.rule = rule, .line = ps->line};
    return 0;
}

static int set_include(struct parser *ps, struct text v)
{
    struct config_qube *q = ps->q;
    struct config_include *in = &q->includes[q->n_includes];

    if (q->n_includes == CONFIG_INCLUDES_MAX || fw_profile_name(v))
        return -EBADMSG;
    *in = (struct config_include){.line = ps->line, .at = q->n_rules};
    q->n_includes++;
    return text_copy(v, in->name, sizeof(in->name));
}

static int set_usb_line(struct parser *ps, struct text v, bool allow)
{
    struct usb_line l = {.allow = allow, .line = ps->line};
    char why[USB_WHY_MAX];
    int r;

    if (usb_select_parse(v, &l.sel, why)) {
        problems_add(ps->out, ps->file, ps->line,
                     "%s=: %s; expected as in '%s=Storage' or "
                     "'%s=sys-usb:2-1 1234:abcd'",
                     allow ? "Allow" : "Deny", why, allow ? "Allow" : "Deny",
                     allow ? "Allow" : "Deny");
        return 0;
    }
    r = usb_policy_add_line(&ps->q->usb, &l);
    ps->failed |= r == -ENOMEM;
    return r == -ENOBUFS ? r : 0;
}

static int set_usb_allow(struct parser *ps, struct text v)
{
    return set_usb_line(ps, v, true);
}

static int set_usb_deny(struct parser *ps, struct text v)
{
    return set_usb_line(ps, v, false);
}

static int set_usb_assign(struct parser *ps, struct text v)
{
    char why[USB_WHY_MAX];
    struct usb_assign a;
    int r;

    if (usb_assign_parse(v, &a, why)) {
        problems_add(ps->out, ps->file, ps->line,
                     "Assign=: %s; expected as in 'Assign=auto sys-usb:2-1 "
                     "1234:abcd interfaces=0'",
                     why);
        return 0;
    }
    a.line = ps->line;
    r = usb_policy_add_assign(&ps->q->usb, &a);
    ps->failed |= r == -ENOMEM;
    return r == -ENOBUFS ? r : 0;
}

static int set_platform(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, platform_names, ARRAY_LEN(platform_names), &k);

    if (!r)
        ps->d->platform = (enum config_platform)k;
    return r;
}

static int set_images(struct parser *ps, struct text v)
{
    return set_path(v, ps->d->images);
}

static int set_run_dir(struct parser *ps, struct text v)
{
    return set_path(v, ps->d->run_dir);
}

static int set_state_dir(struct parser *ps, struct text v)
{
    return set_path(v, ps->d->state_dir);
}

static int set_socket(struct parser *ps, struct text v)
{
    return set_path(v, ps->d->socket);
}

static int set_worker(struct parser *ps, struct text v)
{
    return set_path(v, ps->d->worker);
}

static int set_metrics(struct parser *ps, struct text v)
{
    if (text_eq(v, CONFIG_NO_METRICS))
        return text_copy(v, ps->d->metrics, sizeof(ps->d->metrics));
    return set_path(v, ps->d->metrics);
}

static int set_check_images(struct parser *ps, struct text v)
{
    unsigned k;
    int r = set_choice(v, bool_names, ARRAY_LEN(bool_names), &k);

    if (!r)
        ps->d->check_images = k == CONFIG_YES;
    return r;
}

/* ---- the tables ---- */

#define WANT_BOOL "yes or no"
#define WANT_NAME                                                              \
    "a name of 1 to 31 letters, digits, '_', '.', '-', "                       \
    "beginning with a letter"
#define WANT_PATH "an absolute path of at most 107 bytes without '..'"
#define WANT_USB_LINES "at most 512 Allow= and Deny= lines"
#define WANT_ADDR4 "one IPv4 host address, as 10.137.0.7"
#define WANT_ADDR6 "one IPv6 host address, as fd09:24ef:4179::a89:7"

const struct key_def config_qube_keys[] = {
    {"Qube", "Kind", false, set_kind, KEY_KIND,
     "netvm, firewallvm, usbvm or qube"},
    {"Qube", "Label", false, set_label, KEY_LABEL,
     "red, orange, yellow, green, gray, blue, purple or black"},
    {"Qube", "Image", false, set_image, KEY_IMAGE, WANT_NAME},
    {"Qube", "Memory", false, set_memory, KEY_MEMORY,
     "MiB as a decimal number from 16 to 1048576"},
    {"Qube", "VCPUs", false, set_vcpus, KEY_VCPUS,
     "a decimal number from 1 to 128"},
    {"Qube", "VirtMode", false, set_virt, KEY_VIRT, "pvh, pv or hvm"},
    {"Qube", "NetVM", false, set_netvm, KEY_NETVM,
     "the name of a qube, or none"},
    {"Qube", "PCI", true, set_pci, KEY_PCI,
     "a PCI address as 0000:00:04.0, at most 16 of them"},
    {"Qube", "QID", false, set_qid, KEY_QID,
     "a decimal number from 1 to 10000"},
    {"Qube", "Address", false, set_addr, KEY_ADDRESS, WANT_ADDR4},
    {"Qube", "Address6", false, set_addr6, KEY_ADDRESS6, WANT_ADDR6},
    {"Qube", "MAC", false, set_mac, KEY_MAC,
     "a unicast MAC address as 00:16:3e:5e:6c:00"},
    {"Qube", "IPv6", false, set_ipv6, KEY_IPV6, WANT_BOOL},
    {"Qube", "Autostart", false, set_autostart, KEY_AUTOSTART, WANT_BOOL},
    {"Qube", "Restart", false, set_restart, KEY_RESTART, WANT_BOOL},
    {"Qube", "KernelOptions", false, set_kernel, KEY_KERNEL,
     "printable ASCII of at most 255 bytes"},
    {"Qube", "Names", false, config_set_names, KEY_NAMES,
     "three numbers of seconds from 1 to 86400, as '60 3600 300': a name is "
     "asked again after its time to live, but not before the first nor after "
     "the second; an address outlives its answer by the third"},
    {"Uplink", "Mode", false, set_up_mode, KEY_UP_MODE, "dhcp or static"},
    {"Uplink", "Address", false, set_up_addr, KEY_UP_ADDRESS,
     "an IPv4 address with its prefix, as 192.0.2.5/24"},
    {"Uplink", "Gateway", false, set_up_gw, KEY_UP_GATEWAY, WANT_ADDR4},
    {"Uplink", "DNS", false, set_up_dns, KEY_UP_DNS,
     "one to three addresses separated by blanks"},
    {"Uplink", "Address6", false, set_up_addr6, KEY_UP_ADDRESS6,
     "an IPv6 address with its prefix, as 2001:db8::5/64"},
    {"Uplink", "Gateway6", false, set_up_gw6, KEY_UP_GATEWAY6,
     "one IPv6 address"},
    {"Netns", "Uplink", false, set_ns_uplink, KEY_NS_UPLINK, WANT_PATH},
    {"Netns", "Bridge", false, set_ns_bridge, KEY_NS_BRIDGE,
     "the name of a network interface, at most 15 bytes"},
    {"Firewall", "Rule", true, set_rule, KEY_RULE, "at most 4000 rules"},
    {"Firewall", "Include", true, set_include, KEY_INCLUDE,
     "the name of a profile: 1 to 31 letters, digits, '_', '-', beginning "
     "with a letter; at most 64 of them"},
    {"Firewall", "Flows", false, config_set_flows, KEY_FLOWS,
     "tracked connections, a decimal number from 1 to 1000000"},
    {"Firewall", "Rate", false, config_set_rate, KEY_RATE,
     "new connections a second, a decimal number from 1 to 1000000"},
    {"Firewall", "Burst", false, config_set_burst, KEY_BURST,
     "connections at once, a decimal number from 1 to 1000000"},
    {"Firewall", "Bandwidth", false, config_set_bandwidth, KEY_BANDWIDTH,
     "bytes a second, as 2M: a decimal number, perhaps with K, M or G (1024 "
     "each), at most 4000000000; 0: no limit"},
    {"Firewall", "Quota", false, config_set_quota, KEY_QUOTA,
     "bytes in all, as 10G: a decimal number, perhaps with K, M, G or T "
     "(1024 each); 0: no limit"},
    {"Firewall", "Forward", true, config_set_forward, KEY_FORWARD,
     "tcp|udp UPLINKPORT PORT [from NETWORK], as 'tcp 8080 80'; at most 32"},
    {"Firewall", "Reach", true, config_set_reach, KEY_REACH,
     "QUBE tcp|udp PORT[-PORT], QUBE tcp|udp|icmp, or QUBE any, as 'db tcp "
     "5432'; at most 32"},
    {"USB", "Allow", true, set_usb_allow, KEY_USB_ALLOW, WANT_USB_LINES},
    {"USB", "Deny", true, set_usb_deny, KEY_USB_DENY, WANT_USB_LINES},
    {"USB", "Assign", true, set_usb_assign, KEY_USB_ASSIGN,
     "at most 256 Assign= lines"},
};
const size_t config_qube_keys_n = ARRAY_LEN(config_qube_keys);

const struct key_def config_daemon_keys[] = {
    {"Sysqube", "Platform", false, set_platform, KEY_COUNT, "xen or netns"},
    {"Sysqube", "Images", false, set_images, KEY_COUNT, WANT_PATH},
    {"Sysqube", "RunDir", false, set_run_dir, KEY_COUNT, WANT_PATH},
    {"Sysqube", "StateDir", false, set_state_dir, KEY_COUNT, WANT_PATH},
    {"Sysqube", "Socket", false, set_socket, KEY_COUNT, WANT_PATH},
    {"Sysqube", "Worker", false, set_worker, KEY_COUNT, WANT_PATH},
    {"Sysqube", "Metrics", false, set_metrics, KEY_COUNT, "no, or " WANT_PATH},
    {"Sysqube", "CheckImages", false, set_check_images, KEY_COUNT, WANT_BOOL},
    {"Defaults", "Memory", false, set_memory, KEY_COUNT,
     "MiB as a decimal number from 16 to 1048576"},
    {"Defaults", "VCPUs", false, set_vcpus, KEY_COUNT,
     "a decimal number from 1 to 128"},
};
const size_t config_daemon_keys_n = ARRAY_LEN(config_daemon_keys);

bool config_provides(const struct config_qube *q)
{
    return q->kind == KIND_NETVM || q->kind == KIND_FIREWALLVM;
}

const char *config_platform_name(enum config_platform p)
{
    return platform_names[p];
}

const char *config_kind_name(enum qube_kind k)
{
    return k == KIND_NONE ? "none" : kind_names[k];
}

const char *config_label_name(enum qube_label l)
{
    return label_names[l];
}

const char *config_virt_name(enum qube_virt v)
{
    return virt_names[v];
}

const char *config_pci_format(const struct pci_addr *a, char buf[PCI_TEXT_MAX])
{
    snprintf(buf, PCI_TEXT_MAX, "%04x:%02x:%02x.%x", a->domain, a->bus, a->dev,
             a->func);
    return buf;
}
