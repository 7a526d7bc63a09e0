/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel uevents. pure. See uevent.h. */
#include "usbvm/uevent.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/parse.h"

static const struct {
    const char *name;
    enum uevent_action action;
} actions[] = {
    {"add", UEVENT_ADD},
    {"remove", UEVENT_REMOVE},
    {"change", UEVENT_CHANGE},
};

static enum uevent_action action_of(struct text t)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (text_eq(t, actions[i].name))
            return actions[i].action;
    return UEVENT_OTHER;
}

/* "KEY=VALUE" with this key? */
static bool value_of(struct text t, const char *key, struct text *ret)
{
    size_t n = strlen(key);

    if (t.len < n + 1 || memcmp(t.p, key, n) != 0 || t.p[n] != '=')
        return false;
    *ret = (struct text){t.p + n + 1, t.len - n - 1};
    return true;
}

static int check_header(struct text first, struct text *ret_action)
{
    struct text rest = first, path;

    if (!parse_split(&rest, '@', ret_action) || ret_action->len == 0)
        return -EBADMSG;
    path = rest;
    if (!path.p || path.len == 0 || path.p[0] != '/')
        return -EBADMSG;
    return 0;
}

int uevent_parse(const void *data, size_t len, struct uevent *ret)
{
    const char *bytes = data;
    struct text rest, line, action, v;
    struct uevent e = {.action = UEVENT_OTHER};

    if (len == 0 || len > UEVENT_MAX_BYTES || bytes[len - 1] != '\0')
        return -EBADMSG;
    rest = (struct text){bytes, len - 1};
    if (!parse_split(&rest, '\0', &line) || check_header(line, &action) != 0)
        return -EBADMSG;
    e.action = action_of(action);
    while (parse_split(&rest, '\0', &line)) {
        if (line.len == 0 || !memchr(line.p, '=', line.len))
            return -EBADMSG;
        if (value_of(line, "ACTION", &v) &&
            (v.len != action.len || memcmp(v.p, action.p, v.len) != 0))
            return -EBADMSG;
        if (value_of(line, "SUBSYSTEM", &v))
            e.usb = text_eq(v, "usb");
    }
    *ret = e;
    return 0;
}
