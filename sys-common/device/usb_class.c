/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and patterns of interface codes. pure. Fed by interface codes
 * (hostile); see usb_class.h. Does not decide what a device may do. */
#include "device/usb_class.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"
#include "lib/mem.h"

#define PATTERN_LEN 7 /* "u08****" */

/* CCSSPP with '*' for any digit. */
struct category {
    char pattern[7];
    const char *name;
};

static const struct category CATEGORIES[] = {
    {"03**01", "Keyboard"},   {"03**02", "Mouse"},   {"03****", "Input"},
    {"07****", "Printer"},    {"06****", "Camera"},  {"0e****", "Camera"},
    {"01****", "Audio"},      {"08****", "Storage"}, {"e00101", "Bluetooth"},
    {"02****", "Network"},    {"e0****", "Network"}, {"0b****", "Smart card"},
    {"10****", "Multimedia"}, {"******", "Other"},
};

int usb_pattern_match(const struct usb_pattern *p, struct usb_iface code)
{
    char text[7];
    int n = 0;

    snprintf(text, sizeof(text), "%02x%02x%02x", code.cls, code.sub,
             code.proto);
    for (unsigned i = 0; i < sizeof(p->digit); i++) {
        if (p->digit[i] == '*')
            continue;
        if (p->digit[i] != text[i])
            return -1;
        n++;
    }
    return n;
}

static size_t category_of(struct usb_iface code)
{
    size_t best = ARRAY_LEN(CATEGORIES) - 1;
    int best_score = 0;

    for (size_t i = 0; i < ARRAY_LEN(CATEGORIES); i++) {
        struct usb_pattern p;
        int s;

        memcpy(p.digit, CATEGORIES[i].pattern, sizeof(p.digit));
        s = usb_pattern_match(&p, code);
        if (s > best_score) {
            best = i;
            best_score = s;
        }
    }
    return best;
}

const char *usb_class_name(struct usb_iface code)
{
    return CATEGORIES[category_of(code)].name;
}

static bool named_before(const struct usb_ifaces *l, unsigned i)
{
    const char *name = usb_class_name(l->code[i]);

    for (unsigned j = 0; j < i; j++)
        if (strcmp(usb_class_name(l->code[j]), name) == 0)
            return true;
    return false;
}

const char *usb_class_list(const struct usb_ifaces *l, char *buf, size_t cap)
{
    size_t at = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < l->n && i < USB_IDENT_IFACES; i++) {
        const char *name = usb_class_name(l->code[i]);
        const char *sep = at > 0 ? ", " : "";

        if (named_before(l, i) || strlen(sep) + strlen(name) >= cap - at)
            continue;
        at += (size_t)snprintf(buf + at, cap - at, "%s%s", sep, name);
    }
    if (l->n == 0)
        snprintf(buf, cap, "Other");
    return buf;
}

int usb_pattern_parse(struct text t, struct usb_pattern *ret)
{
    struct text digits;

    if (t.len != 1 + sizeof(ret->digit) || (t.p[0] != 'u' && t.p[0] != '*'))
        return -EBADMSG;
    digits = (struct text){t.p + 1, sizeof(ret->digit)};
    if (!text_only(digits, PARSE_DIGIT "abcdef*"))
        return -EBADMSG;
    memcpy(ret->digit, digits.p, sizeof(ret->digit));
    return 0;
}

/* The name without its blanks, letters in any case. */
static bool is_named(const char *name, struct text t)
{
    size_t i = 0;

    for (; *name; name++) {
        if (*name == ' ')
            continue;
        if (i == t.len || strncasecmp(name, t.p + i, 1) != 0)
            return false;
        i++;
    }
    return i == t.len;
}

/* One pattern after the other. */
static int parse_patterns(struct text t, struct usb_class *out)
{
    if (t.len == 0 || t.len % PATTERN_LEN != 0 ||
        t.len / PATTERN_LEN > USB_CLASS_PATTERNS)
        return -EBADMSG;
    while (t.len > 0) {
        struct text one = {t.p, PATTERN_LEN};

        if (usb_pattern_parse(one, &out->p[out->n++]) < 0)
            return -EBADMSG;
        t.p += PATTERN_LEN;
        t.len -= PATTERN_LEN;
    }
    return 0;
}

int usb_class_parse(struct text t, struct usb_class *ret)
{
    struct usb_class c = {0};

    if (text_eq(t, "*"))
        t = text_of("Other");
    for (size_t i = 0; i < ARRAY_LEN(CATEGORIES); i++) {
        if (c.n < USB_CLASS_PATTERNS && is_named(CATEGORIES[i].name, t))
            memcpy(c.p[c.n++].digit, CATEGORIES[i].pattern,
                   sizeof(c.p[0].digit));
    }
    if (c.n == 0 && parse_patterns(t, &c) < 0)
        return -EBADMSG;
    *ret = c;
    return 0;
}

int usb_class_match(const struct usb_class *c, struct usb_iface code)
{
    int best = -1;

    for (unsigned i = 0; i < c->n; i++) {
        int s = usb_pattern_match(&c->p[i], code);

        if (s > best)
            best = s;
    }
    return best;
}
