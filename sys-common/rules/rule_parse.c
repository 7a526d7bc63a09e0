/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text to struct fw_rule. pure. Fed by rule text of every origin. Source:
 * spec/firewall-rules.md, Rule grammar. One table of keys serves all forms;
 * nothing is repaired, nothing is skipped. Resolves no names. */
#include "rules/rule_parse.h"

#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule_lower.h"

#define PLAIN_CHARS PARSE_LOWER PARSE_UPPER PARSE_DIGIT ":;,./-_[]"
#define VALUE_CHARS PLAIN_CHARS "*"
#define COMMENT_CHARS PLAIN_CHARS " "
#define NAME_CHARS PARSE_LOWER PARSE_DIGIT "._-"
#define WILD_LABELS_MIN 2 /* "*.org" would open half the world */

/* Forms a key is known in. */
#define IN_QDB 1u
#define IN_API 2u
#define IN_CLI 4u
#define IN_ALL (IN_QDB | IN_API | IN_CLI)

/* What may appear once; synonyms share a bit. */
#define SEEN_ACTION 0x01u
#define SEEN_DST 0x02u
#define SEEN_PROTO 0x04u
#define SEEN_TARGET 0x08u
#define SEEN_PORTS 0x10u
#define SEEN_ICMPTYPE 0x20u
#define SEEN_EXPIRE 0x40u
#define SEEN_COMMENT 0x80u

struct parser {
    struct fw_rule rule;
    unsigned form;       /* one of IN_* */
    unsigned seen;       /* SEEN_* */
    unsigned positional; /* positional words so far */
    uint64_t now_s;      /* IN_CLI only */
    const char *reason;  /* first error */
    unsigned column;     /* of the word being read */
};

struct key_spec {
    const char *name;
    unsigned forms;
    unsigned bit;
    int (*set)(struct parser *p, struct text value);
};

static int refuse(struct parser *p, const char *reason)
{
    p->reason = reason;
    return -EBADMSG;
}

static int set_action(struct parser *p, struct text value)
{
    if (rule_parse_policy(value, &p->rule.m.action) < 0)
        return refuse(p, "action is accept or drop");
    return 0;
}

static int set_net(struct parser *p, struct text value, uint8_t family,
                   const char *reason)
{
    struct ipnet net;

    if (ipnet_parse(value, &net) < 0)
        return refuse(p, reason);
    if (family != 0 && net.addr.family != family)
        return refuse(p, reason);
    p->rule.m.dst_kind = FW_DST_NET;
    p->rule.m.dst = net;
    return 0;
}

static int set_dst4(struct parser *p, struct text value)
{
    return set_net(p, value, AF_INET,
                   "dst4 is an IPv4 address with a prefix of 0 to 32");
}

static int set_dst6(struct parser *p, struct text value)
{
    return set_net(p, value, AF_INET6,
                   "dst6 is an IPv6 address with a prefix of 0 to 128");
}

static int set_name(struct parser *p, struct text value)
{
    if (rule_parse_name(value) < 0)
        return refuse(p, "not an address, a network or a name");
    p->rule.m.dst_kind = FW_DST_NAME;
    return text_copy(value, p->rule.name, sizeof(p->rule.name));
}

static int set_dsthost(struct parser *p, struct text value)
{
    struct ipnet net;

    if (memchr(value.p, '/', value.len) || memchr(value.p, ':', value.len) ||
        ipnet_parse(value, &net) == 0)
        return set_net(p, value, 0, "not an address or a network");
    return set_name(p, value);
}

static int set_proto(struct parser *p, struct text value)
{
    if (text_eq(value, "tcp"))
        p->rule.m.proto = FW_PROTO_TCP;
    else if (text_eq(value, "udp"))
        p->rule.m.proto = FW_PROTO_UDP;
    else if (text_eq(value, "icmp"))
        p->rule.m.proto = FW_PROTO_ICMP;
    else
        return refuse(p, "proto is tcp, udp or icmp");
    return 0;
}

static int set_target(struct parser *p, struct text value)
{
    if (!text_eq(value, "dns"))
        return refuse(p, "specialtarget is dns");
    p->rule.m.dns = true;
    return 0;
}

static int take_range(struct parser *p, struct text value, struct fw_ports *ret)
{
    struct text rest = value, piece;
    uint32_t first, last;

    if (!parse_split(&rest, '-', &piece) ||
        parse_u32(piece, 0, UINT16_MAX, &first) < 0)
        return refuse(p, "dstports is N or A-B of 0 to 65535");
    last = first;
    if (rest.p && parse_u32(rest, 0, UINT16_MAX, &last) < 0)
        return refuse(p, "dstports is N or A-B of 0 to 65535");
    if (last < first)
        return refuse(p, "dstports is a reversed range");
    *ret = (struct fw_ports){(uint16_t)first, (uint16_t)last};
    return 0;
}

/* Into ascending order; ranges that touch become one, so that equal sets of
 * ports have one text. @return how many are left */
static unsigned join_ports(struct fw_ports *v, unsigned n)
{
    unsigned i, k, out = 0;

    for (i = 1; i < n; i++) {
        struct fw_ports t = v[i];

        for (k = i; k > 0 && v[k - 1].first > t.first; k--)
            v[k] = v[k - 1];
        v[k] = t;
    }
    for (i = 1; i < n; i++) {
        if (v[i].first > (uint32_t)v[out].last + 1)
            v[++out] = v[i];
        else if (v[i].last > v[out].last)
            v[out].last = v[i].last;
    }
    return out + 1;
}

static int set_ports(struct parser *p, struct text value)
{
    struct fw_ports v[FW_PORTS_MAX];
    struct text rest = value, piece;
    unsigned n = 0;
    int r;

    while (rest.p && parse_split(&rest, ',', &piece)) {
        if (n == 1 && p->form == IN_QDB)
            return refuse(p, "dstports is N or A-B of 0 to 65535");
        if (n == FW_PORTS_MAX)
            return refuse(p, "dstports has more than 16 ranges");
        r = take_range(p, piece, &v[n++]);
        if (r < 0)
            return r;
    }
    n = join_ports(v, n);
    p->rule.m.has_ports = true;
    p->rule.m.port_first = v[0].first;
    p->rule.m.port_last = v[0].last;
    p->rule.n_more = (uint8_t)(n - 1);
    memcpy(p->rule.more, v + 1, (n - 1) * sizeof(*v));
    return 0;
}

static int set_icmptype(struct parser *p, struct text value)
{
    unsigned name = p->form == IN_QDB ? 0 : rule_icmp_find(value);
    uint32_t type;

    p->rule.m.has_icmptype = true;
    if (name) {
        p->rule.icmp_name = (uint8_t)name;
        return 0;
    }
    if (parse_u32(value, 0, UINT8_MAX, &type) < 0)
        return refuse(p, "icmptype is a number of 0 to 255 or a name as "
                         "echo-request");
    p->rule.m.icmptype = (uint8_t)type;
    return 0;
}

static int set_expire(struct parser *p, struct text value)
{
    uint64_t when, from = 0;

    if (p->form == IN_CLI && p->now_s > 0 && value.len > 0 &&
        value.p[0] == '+') {
        from = p->now_s;
        value.p++;
        value.len--;
    }
    if (from > FW_EXPIRE_MAX ||
        parse_u64(value, 0, FW_EXPIRE_MAX - from, &when) < 0)
        return refuse(p, "expire is a time in seconds since 1970");
    p->rule.has_expire = true;
    p->rule.expire = from + when;
    return 0;
}

static int set_comment(struct parser *p, struct text value)
{
    if (!text_only(value, COMMENT_CHARS))
        return refuse(p, "comment has a character that is not allowed");
    if (text_copy(value, p->rule.comment, sizeof(p->rule.comment)) < 0)
        return refuse(p, "comment is too long");
    return 0;
}

static const struct key_spec KEYS[] = {
    {"action", IN_ALL, SEEN_ACTION, set_action},
    {"dst4", IN_ALL, SEEN_DST, set_dst4},
    {"dst6", IN_ALL, SEEN_DST, set_dst6},
    {"dsthost", IN_ALL, SEEN_DST, set_dsthost},
    {"dstname", IN_API | IN_CLI, SEEN_DST, set_name},
    {"proto", IN_ALL, SEEN_PROTO, set_proto},
    {"specialtarget", IN_ALL, SEEN_TARGET, set_target},
    {"dstports", IN_ALL, SEEN_PORTS, set_ports},
    {"icmptype", IN_ALL, SEEN_ICMPTYPE, set_icmptype},
    {"expire", IN_ALL, SEEN_EXPIRE, set_expire},
    {"comment", IN_API | IN_CLI, SEEN_COMMENT, set_comment},
};

static const struct key_spec *find_key(struct text name, unsigned form)
{
    size_t i;

    for (i = 0; i < ARRAY_LEN(KEYS); i++)
        if ((KEYS[i].forms & form) != 0 && text_eq(name, KEYS[i].name))
            return &KEYS[i];
    return NULL;
}

static int take_value(struct parser *p, const struct key_spec *key,
                      struct text value)
{
    if ((p->seen & key->bit) != 0)
        return refuse(p, key->bit == SEEN_DST ? "a second destination"
                                              : "a repeated key");
    p->seen |= key->bit;
    if (value.len == 0)
        return refuse(p, "a key without a value");
    if (key->bit != SEEN_COMMENT && memchr(value.p, '=', value.len))
        return refuse(p, "two '=' in a word");
    if (key->bit != SEEN_COMMENT && key->bit != SEEN_EXPIRE &&
        !text_only(value, VALUE_CHARS))
        return refuse(p, "a value has a character that is not allowed");
    return key->set(p, value);
}

/* The nth word without a key, in the order people type them. */
static int take_positional(struct parser *p, struct text word)
{
    const char *name;

    switch (p->positional++) {
    case 0:
        name = "action";
        break;
    case 1:
        name = "dsthost";
        break;
    case 2:
        name = "proto";
        break;
    case 3:
        name = p->rule.m.proto == FW_PROTO_ICMP ? "icmptype" : "dstports";
        break;
    default:
        return refuse(p, "too many words");
    }
    return take_value(p, find_key(text_of(name), IN_CLI), word);
}

static int take_word(struct parser *p, struct text word)
{
    const char *eq = word.len ? memchr(word.p, '=', word.len) : NULL;
    const struct key_spec *key;
    struct text name, value;

    if (word.len == 0)
        return refuse(p, "an empty word or a double space");
    if (!eq && p->form == IN_CLI)
        return take_positional(p, word);
    if (!eq)
        return refuse(p, "a word without '='");
    name = (struct text){word.p, (size_t)(eq - word.p)};
    value = (struct text){eq + 1, word.len - name.len - 1};
    key = find_key(name, p->form);
    if (!key)
        return refuse(p, p->form == IN_QDB
                             ? "an unknown key"
                             : "an unknown key; expected action, dst4, dst6, "
                               "dsthost, proto, dstports, icmptype, "
                               "specialtarget, expire or comment");
    return take_value(p, key, value);
}

/* What single values cannot tell: keys that need or exclude one another. */
static int check_whole(struct parser *p)
{
    const struct fw_match *m = &p->rule.m;

    if ((p->seen & SEEN_ACTION) == 0)
        return refuse(p, "no action");
    if (m->has_icmptype && m->proto != FW_PROTO_ICMP)
        return refuse(p, "icmptype needs proto=icmp");
    if (m->has_ports && m->proto == FW_PROTO_ICMP)
        return refuse(p, "dstports needs proto tcp or udp");
    if (m->dns && m->proto == FW_PROTO_ICMP)
        return refuse(p, "specialtarget=dns is tcp or udp");
    if (m->dns && m->has_ports &&
        (m->port_first != FW_DNS_PORT || m->port_last != FW_DNS_PORT ||
         p->rule.n_more > 0))
        return refuse(p, "specialtarget=dns is port 53 only");
    if (m->action == FW_DROP && rule_name_is_wild(p->rule.name))
        return refuse(p, "a name with * needs action=accept");
    return 0;
}

static int finish(struct parser *p, int r, struct fw_rule *ret,
                  struct rule_error *ret_err)
{
    if (r == 0)
        r = check_whole(p);
    if (r == 0) {
        *ret = p->rule;
        return 0;
    }
    if (ret_err) {
        ret_err->reason = p->reason;
        ret_err->column = p->column;
    }
    return -EBADMSG;
}

static bool begins_comment(const struct parser *p, struct text t)
{
    static const char KEY[] = "comment=";

    return p->form != IN_QDB && t.len >= sizeof(KEY) - 1 &&
           memcmp(t.p, KEY, sizeof(KEY) - 1) == 0;
}

static int take_line(struct parser *p, struct text line)
{
    struct text rest = line, word;
    int r = 0;

    p->column = 1;
    if (line.len == 0)
        return refuse(p, "an empty line");
    if (!text_printable(line)) {
        while (line.len > 0 && text_printable((struct text){line.p, 1})) {
            line.p++;
            line.len--;
            p->column++;
        }
        return refuse(p, "a byte that is not printable ASCII");
    }
    while (r == 0 && rest.p) {
        p->column = (unsigned)(rest.p - line.p) + 1;
        if (begins_comment(p, rest))
            return take_word(p, rest);
        if (!parse_split(&rest, ' ', &word))
            break;
        r = take_word(p, word);
    }
    return r;
}

int rule_parse_qdb(struct text untrusted_line, struct fw_rule *ret,
                   struct rule_error *ret_err)
{
    struct parser p = {.form = IN_QDB};

    return finish(&p, take_line(&p, untrusted_line), ret, ret_err);
}

int rule_parse_api(struct text untrusted_line, struct fw_rule *ret,
                   struct rule_error *ret_err)
{
    struct parser p = {.form = IN_API};

    return finish(&p, take_line(&p, untrusted_line), ret, ret_err);
}

int rule_parse_line(struct text untrusted_line, uint64_t now_s,
                    struct fw_rule *ret, struct rule_error *ret_err)
{
    struct parser p = {.form = IN_CLI, .now_s = now_s};

    return finish(&p, take_line(&p, untrusted_line), ret, ret_err);
}

int rule_parse_args(int argc, char *const argv[], uint64_t now_s,
                    struct fw_rule *ret, struct rule_error *ret_err)
{
    struct parser p = {.form = IN_CLI, .now_s = now_s};
    int i, r = 0;

    for (i = 0; i < argc && r == 0; i++) {
        p.column = (unsigned)i + 1;
        r = take_word(&p, text_of(argv[i]));
    }
    return finish(&p, r, ret, ret_err);
}

int rule_parse_number(struct text t, unsigned *ret)
{
    unsigned n = 0;
    size_t i;

    if (t.len != 4 || !text_only(t, PARSE_DIGIT))
        return -EBADMSG;
    for (i = 0; i < t.len; i++)
        n = n * 10 + (unsigned)(t.p[i] - '0');
    *ret = n;
    return 0;
}

int rule_parse_policy(struct text t, enum fw_action *ret)
{
    if (text_eq(t, "accept"))
        *ret = FW_ACCEPT;
    else if (text_eq(t, "drop"))
        *ret = FW_DROP;
    else
        return -EBADMSG;
    return 0;
}

bool rule_name_is_wild(const char *name)
{
    return name[0] == '*' && name[1] == '.';
}

static size_t name_len(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && name[n - 1] == '.' ? n - 1 : n;
}

bool rule_name_covers(const char *name, const char *asked)
{
    size_t n, k = name_len(asked);

    if (!rule_name_is_wild(name))
        return name_len(name) == k && memcmp(name, asked, k) == 0;
    name++; /* from its dot on */
    n = name_len(name);
    return k > n && asked[0] != '.' && memcmp(asked + k - n, name, n) == 0;
}

int rule_parse_name(struct text t)
{
    struct text rest, label = {0};
    unsigned labels = 0;
    bool wild = t.len > 2 && t.len < FW_NAME_MAX && memcmp(t.p, "*.", 2) == 0;

    if (wild)
        t = (struct text){t.p + 2, t.len - 2};
    if (t.len == 0 || t.len >= FW_NAME_MAX || !text_only(t, NAME_CHARS))
        return -EBADMSG;
    if (t.p[t.len - 1] == '.')
        t.len--;
    rest = t;
    while (rest.p && parse_split(&rest, '.', &label)) {
        if (label.len == 0 || label.len > 63 || label.p[0] == '-')
            return -EBADMSG;
        labels++;
    }
    if (wild && labels < WILD_LABELS_MIN)
        return -EBADMSG;
    /* The old library functions take "10", "10.1" and "0x0a.1" for
     * addresses; a name that could be one is none. */
    if (label.len == 0 || (label.p[0] >= '0' && label.p[0] <= '9' &&
                           (text_only(label, PARSE_DIGIT) ||
                            (label.len > 1 && label.p[1] == 'x'))))
        return -EBADMSG;
    return 0;
}
