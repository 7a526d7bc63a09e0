/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict parsing of small text values. pure. See parse.h. */
#include "lib/parse.h"

#include <errno.h>
#include <string.h>

#define QUBE_NAME_MAX 31

struct text text_of(const char *s)
{
    return (struct text){.p = s, .len = strlen(s)};
}

bool text_eq(struct text t, const char *s)
{
    return t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

int parse_u64(struct text t, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (t.len == 0 || (t.len > 1 && t.p[0] == '0'))
        return -EBADMSG;
    for (size_t i = 0; i < t.len; i++) {
        if (t.p[i] < '0' || t.p[i] > '9')
            return -EBADMSG;
        uint64_t digit = (uint64_t)(t.p[i] - '0');
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, digit, &v))
            return -ERANGE;
    }
    if (v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int parse_u32(struct text t, uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t v = 0;
    int r = parse_u64(t, min, max, &v);

    if (r == 0)
        *ret = (uint32_t)v;
    return r;
}

bool parse_split(struct text *rest, char sep, struct text *ret_piece)
{
    if (!rest->p)
        return false;
    const char *at = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
    if (!at) {
        *ret_piece = *rest;
        rest->p = NULL;
        rest->len = 0;
        return true;
    }
    size_t n = (size_t)(at - rest->p);
    *ret_piece = (struct text){.p = rest->p, .len = n};
    rest->p += n + 1;
    rest->len -= n + 1;
    return true;
}

int text_copy(struct text t, char *dst, size_t cap)
{
    if (t.len >= cap)
        return -ENOBUFS;
    if (t.len > 0 && memchr(t.p, '\0', t.len))
        return -EBADMSG;
    if (t.len > 0)
        memcpy(dst, t.p, t.len);
    dst[t.len] = '\0';
    return 0;
}

bool text_only(struct text t, const char *set)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.p[i] == '\0' || !strchr(set, t.p[i]))
            return false;
    return true;
}

bool text_printable(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.p[i] < 0x20 || t.p[i] > 0x7e)
            return false;
    return true;
}

int parse_qube_name(struct text t)
{
    if (t.len == 0 || t.len > QUBE_NAME_MAX)
        return -EBADMSG;
    if (!text_only((struct text){t.p, 1}, PARSE_LOWER PARSE_UPPER) ||
        !text_only(t, PARSE_LOWER PARSE_UPPER PARSE_DIGIT "_.-"))
        return -EBADMSG;
    if (text_eq(t, "Domain-0") || text_eq(t, "none") || text_eq(t, "default"))
        return -EBADMSG;
    if (t.len >= 3 && memcmp(t.p + t.len - 3, "-dm", 3) == 0)
        return -EBADMSG;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Exactly @digits hexadecimal digits at t.p + at. */
static int parse_hex_at(struct text t, size_t at, size_t digits,
                        uint32_t *ret)
{
    uint32_t v = 0;

    if (at + digits > t.len)
        return -EBADMSG;
    for (size_t i = at; i < at + digits; i++) {
        int d = hex_digit(t.p[i]);
        if (d < 0)
            return -EBADMSG;
        v = v << 4 | (uint32_t)d;
    }
    *ret = v;
    return 0;
}

int parse_mac(struct text t, uint8_t ret_mac[6])
{
    uint8_t mac[6];

    if (t.len != 17)
        return -EBADMSG;
    for (size_t i = 0; i < 6; i++) {
        uint32_t v;
        if (parse_hex_at(t, i * 3, 2, &v) != 0)
            return -EBADMSG;
        if (i < 5 && t.p[i * 3 + 2] != ':')
            return -EBADMSG;
        mac[i] = (uint8_t)v;
    }
    if (mac[0] & 1)
        return -EBADMSG;
    memcpy(ret_mac, mac, 6);
    return 0;
}

int parse_pci(struct text t, struct pci_addr *ret)
{
    uint32_t dom = 0, bus, dev, func;
    size_t at = 0;

    if (t.len == 12) {
        if (parse_hex_at(t, 0, 4, &dom) != 0 || t.p[4] != ':')
            return -EBADMSG;
        at = 5;
    } else if (t.len != 7) {
        return -EBADMSG;
    }
    if (parse_hex_at(t, at, 2, &bus) != 0 || t.p[at + 2] != ':' ||
        parse_hex_at(t, at + 3, 2, &dev) != 0 || t.p[at + 5] != '.' ||
        parse_hex_at(t, at + 6, 1, &func) != 0)
        return -EBADMSG;
    if (dev > 31 || func > 7)
        return -EBADMSG;
    *ret = (struct pci_addr){.domain = (uint16_t)dom,
                             .bus = (uint8_t)bus,
                             .dev = (uint8_t)dev,
                             .func = (uint8_t)func};
    return 0;
}
