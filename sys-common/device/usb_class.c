/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of interface codes. pure. Fed by interface codes (hostile); see
 * usb_class.h. Does not decide what a device may do. */
#include "device/usb_class.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

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

/* Literal digits that match, -1 for no match. */
static int score(const char *pattern, const char *code)
{
    int n = 0;

    for (unsigned i = 0; i < 6; i++) {
        if (pattern[i] == '*')
            continue;
        if (pattern[i] != code[i])
            return -1;
        n++;
    }
    return n;
}

static size_t category_of(struct usb_iface code)
{
    char text[7];
    size_t best = ARRAY_LEN(CATEGORIES) - 1;
    int best_score = 0;

    snprintf(text, sizeof(text), "%02x%02x%02x", code.cls, code.sub,
             code.proto);
    for (size_t i = 0; i < ARRAY_LEN(CATEGORIES); i++) {
        int s = score(CATEGORIES[i].pattern, text);

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
