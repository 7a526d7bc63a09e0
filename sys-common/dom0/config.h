/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of dom0: the daemon's file and one file per qube, text
 * to structs. pure. Fed by the administrator's files (trusted, but often
 * wrong, so every refusal says what was found and what was expected).
 * Reading files is config_load.c, checks across qubes config_check.c,
 * rewriting the [Firewall] section section.c. */
#ifndef SQ_DOM0_CONFIG_H
#define SQ_DOM0_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/problems.h"
#include "dom0/usb_policy.h"
#include "lib/ipaddr.h"
#include "lib/parse.h"
#include "rules/rule.h"

#define CONFIG_NAME_MAX 32     /* with its NUL; parse_qube_name() */
#define CONFIG_PATH_MAX 108    /* fits a unix socket path */
#define CONFIG_IF_MAX 16       /* IFNAMSIZ */
#define CONFIG_TEXT_MAX 256    /* kernel options and the like */
#define CONFIG_QUBES_MAX 256   /* of ours: qubes of one machine */
#define CONFIG_PCI_MAX 16      /* of ours: devices of one qube */
#define CONFIG_RULES_MAX 4000  /* spec/firewall-rules.md, must 12 */
#define CONFIG_INCLUDES_MAX 64 /* of ours: Include= lines of one qube */
#define CONFIG_FORWARDS_MAX 32 /* of ours: Forward= lines of one qube */
#define CONFIG_REACH_MAX 32    /* of ours: Reach= lines of one qube */
#define CONFIG_DNS_MAX 3
#define CONFIG_LINE_MAX 1024          /* one line of a file */
#define CONFIG_FILE_MAX (1024 * 1024) /* one file */
#define CONFIG_VALUE_MAX 3071         /* one QubesDB value, spec/qubesdb.md */
#define CONFIG_NO_METRICS "no"
#define CONFIG_QID_MAX 10000 /* spec/network.md, address plan */

enum config_platform { CONFIG_XEN, CONFIG_NETNS };

enum qube_kind {
    KIND_NONE,
    KIND_NETVM,
    KIND_FIREWALLVM,
    KIND_USBVM,
    KIND_QUBE
};

enum qube_label {
    LABEL_RED,
    LABEL_ORANGE,
    LABEL_YELLOW,
    LABEL_GREEN,
    LABEL_GRAY,
    LABEL_BLUE,
    LABEL_PURPLE,
    LABEL_BLACK
};

enum qube_virt { VIRT_PVH, VIRT_PV, VIRT_HVM };

enum qube_uplink { UPLINK_NONE, UPLINK_DHCP, UPLINK_STATIC };

enum config_bool { CONFIG_UNSET, CONFIG_NO, CONFIG_YES };

/** Keys whose line is remembered for the checks across qubes. */
enum config_key {
    KEY_KIND,
    KEY_LABEL,
    KEY_IMAGE,
    KEY_MEMORY,
    KEY_VCPUS,
    KEY_VIRT,
    KEY_NETVM,
    KEY_PCI,
    KEY_QID,
    KEY_ADDRESS,
    KEY_ADDRESS6,
    KEY_MAC,
    KEY_IPV6,
    KEY_AUTOSTART,
    KEY_RESTART,
    KEY_KERNEL,
    KEY_UP_MODE,
    KEY_UP_ADDRESS,
    KEY_UP_GATEWAY,
    KEY_UP_DNS,
    KEY_UP_ADDRESS6,
    KEY_UP_GATEWAY6,
    KEY_NS_UPLINK,
    KEY_NS_BRIDGE,
    KEY_RULE,
    KEY_INCLUDE,
    KEY_FLOWS,
    KEY_RATE,
    KEY_BURST,
    KEY_BANDWIDTH,
    KEY_QUOTA,
    KEY_NAMES,
    KEY_FORWARD,
    KEY_REACH,
    KEY_USB_ALLOW,
    KEY_USB_DENY,
    KEY_USB_ASSIGN,
    KEY_COUNT
};

struct fw_profile;

struct config_rule {
    struct fw_rule rule;
    unsigned line;                 /* in the file */
    const struct fw_profile *from; /* whose file it is; NULL: the qube's */
};

/** A line Include=NAME among the rules. */
struct config_include {
    char name[CONFIG_NAME_MAX];
    unsigned line;
    size_t at; /* number of the rule it stands before; after
                * fw_profile_expand() of its own first rule */
    size_t n;  /* rules it stands for */
};

/** Share of the firewall VM a qube may take; what is not given is left to
 *  the firewall VM's defaults. */
struct config_limits {
    bool has_flows, has_rate, has_burst, has_bandwidth, has_quota;
    uint32_t flows;     /* tracked connections */
    uint32_t rate;      /* new connections a second */
    uint32_t burst;     /* of them at once */
    uint64_t bandwidth; /* bytes a second, both directions; 0: no limit */
    uint64_t quota;     /* bytes in all; 0: no limit */
};

/** Names=: how long the names in rules last, in seconds; all 0 when it is not
 *  given. */
struct config_names {
    uint32_t floor_s, ceiling_s, grace_s;
};

/** Forward=: a port of the NetVM's uplink that leads to this qube. */
struct config_forward {
    unsigned line;
    enum fw_proto proto; /* TCP or UDP */
    uint16_t uplink_port;
    uint16_t port;     /* of the qube */
    struct ipnet from; /* family 0: from anywhere */
};

/** Reach=: this qube may open connections to that one. */
struct config_reach {
    unsigned line;
    char name[CONFIG_NAME_MAX];
    enum fw_proto proto; /* FW_PROTO_ANY: all */
    bool has_ports;      /* TCP and UDP only */
    uint16_t port_first, port_last;
};

struct config_qube {
    char name[CONFIG_NAME_MAX];
    char *file;               /* for messages; owned */
    unsigned line[KEY_COUNT]; /* 0: not given */

    enum qube_kind kind;
    enum qube_label label;
    char image[CONFIG_NAME_MAX];
    uint32_t memory_mib;
    uint32_t vcpus;
    enum qube_virt virt;
    char netvm[CONFIG_NAME_MAX]; /* empty: none */
    struct pci_addr pci[CONFIG_PCI_MAX];
    unsigned pci_line[CONFIG_PCI_MAX];
    size_t n_pci;
    enum config_bool ipv6; /* unset: as the netvm */
    bool autostart;
    enum config_bool restart; /* unset: yes, but for a plain qube */
    char kernel_options[CONFIG_TEXT_MAX];

    enum qube_uplink uplink;
    struct ipnet up_addr, up_addr6; /* family 0: not given */
    struct ipaddr up_gw, up_gw6;
    struct ipaddr up_dns[CONFIG_DNS_MAX];
    size_t n_up_dns;
    char ns_uplink[CONFIG_PATH_MAX]; /* file of a network namespace */
    char ns_bridge[CONFIG_IF_MAX];   /* bridge in there; empty: none */

    bool has_firewall;         /* a [Firewall] section is there */
    struct config_rule *rules; /* owned */
    size_t n_rules;
    struct config_include includes[CONFIG_INCLUDES_MAX]; /* in order */
    size_t n_includes;
    struct config_limits limits;
    struct config_names names; /* of a firewallvm */
    struct config_forward forwards[CONFIG_FORWARDS_MAX];
    size_t n_forwards;
    struct config_reach reach[CONFIG_REACH_MAX];
    size_t n_reach;

    struct usb_policy usb; /* [USB]; owned */

    /* Set by plan_resolve(); overrides of the file come in here first. */
    uint32_t qid;      /* 0: not yet assigned */
    struct ipaddr ip4; /* family 0: not yet assigned */
    struct ipaddr ip6; /* family 0: no IPv6 */
    uint8_t mac[6];
    bool has_ipv6;          /* resolved along the netvm chain */
    struct config_qube *up; /* the netvm; borrowed from the same config */
    unsigned level;         /* netvms above it */
};

struct config_daemon {
    enum config_platform platform;
    char images[CONFIG_PATH_MAX];
    char run_dir[CONFIG_PATH_MAX];
    char state_dir[CONFIG_PATH_MAX];
    char socket[CONFIG_PATH_MAX];
    char worker[CONFIG_PATH_MAX];  /* sysqube-qdb */
    char metrics[CONFIG_PATH_MAX]; /* "": metrics.prom in run_dir */
    uint32_t memory_mib;           /* default of a qube */
    uint32_t vcpus;
    bool check_images; /* compare sha256 before each start */
};

struct config {
    struct config_daemon d;
    char dir[CONFIG_PATH_MAX];  /* folder it came from */
    struct config_qube **qubes; /* sorted by name; owned */
    size_t n;
    struct fw_profile **profiles; /* fw_profile.h; owned */
    size_t n_profiles;
};

/** Built-in values of everything a file may leave out. */
void config_daemon_defaults(struct config_daemon *ret);

/** Parse sysqube.conf.
 *  @param file  its name, for complaints
 *  @param io    in: defaults; out: with the file's values
 *  @return 0; -EBADMSG complaints were added (@p io is then partly set) */
int config_parse_daemon(struct text data, const char *file,
                        struct config_daemon *io, struct problems *p);

/** Parse one qube's file.
 *  @param name  the qube's name (from the file's name), checked here
 *  @param d     defaults
 *  @param ret   new qube, also when there were complaints (then not fit for
 *               use but for further checks); config_qube_free()
 *  @return 0; -EBADMSG complaints were added; -ENOMEM (nothing in ret) */
int config_parse_qube(struct text data, const char *file, const char *name,
                      const struct config_daemon *d, struct config_qube **ret,
                      struct problems *p);
void config_qube_free(struct config_qube *q);

/** Put a qube into the set, which then owns it. @return 0; -ENOMEM; -ENFILE
 *  over CONFIG_QUBES_MAX (the caller still owns it) */
int config_add(struct config *c, struct config_qube *q);
/** @return borrowed qube; NULL when there is none of that name */
struct config_qube *config_find(const struct config *c, const char *name);
void config_free(struct config *c);

/** Checks across the set: netvms, duplicates, PCI, sections that do not fit
 *  the kind. Call after plan_resolve(). @return 0; -EBADMSG */
int config_check(struct config *c, struct problems *p);

/** The part of config_check() about Forward=, Reach= and limits
 *  (config_firewall.c). */
void config_check_firewall(const struct config *c, struct problems *p);

const char *config_proto_name(enum fw_proto p); /* "any" for all */
#define CONFIG_PATH_TEXT_MAX 96
/** The value of a Forward= line. @return buf */
const char *config_forward_text(const struct config_forward *f,
                                char buf[CONFIG_PATH_TEXT_MAX]);
/** The value of a Reach= line. @return buf */
const char *config_reach_text(const struct config_reach *e,
                              char buf[CONFIG_PATH_TEXT_MAX]);

/** Is @p top the netvm of @p q, or a netvm above it? */
bool config_is_below(const struct config_qube *q,
                     const struct config_qube *top);
/** The nearest netvm that both hang on: where their packets meet.
 *  @return borrowed; NULL: none */
const struct config_qube *config_meeting(const struct config_qube *a,
                                         const struct config_qube *b);

/** Does this kind serve as a netvm? */
bool config_provides(const struct config_qube *q);

const char *config_platform_name(enum config_platform p);
const char *config_kind_name(enum qube_kind k);
const char *config_label_name(enum qube_label l);
const char *config_virt_name(enum qube_virt v);

#define PCI_TEXT_MAX 16
/** "0000:00:04.0". @return buf */
const char *config_pci_format(const struct pci_addr *a, char buf[PCI_TEXT_MAX]);

#endif
