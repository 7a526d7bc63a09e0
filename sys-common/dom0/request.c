/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the control socket. pure (jansson). See request.h. */
#include "dom0/request.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule.h"

/* Which members a request has; all others are refused. */
#define M_NAMES 0x01u     /* optional */
#define M_QUBE 0x02u      /* required */
#define M_RULE 0x04u      /* required unless M_NUMBER is given */
#define M_NUMBER 0x08u    /* optional */
#define M_FORCE 0x10u     /* optional */
#define M_TEXT 0x20u      /* required */
#define M_WAS 0x40u       /* optional */
#define M_FILE 0x80u      /* optional */
#define M_DEVICE 0x100u   /* required */
#define M_WORDS 0x200u    /* optional */
#define M_MAY_QUBE 0x400u /* optional */
#define M_NETVM 0x800u    /* required */
#define M_SELECT 0x1000u  /* required */

static const struct {
    const char *name;
    unsigned members;
} ops[REQ_COUNT] = {
    [REQ_STATUS] = {"status", 0},
    [REQ_UP] = {"up", M_NAMES},
    [REQ_DOWN] = {"down", M_NAMES | M_FORCE},
    [REQ_FW_LIST] = {"firewall-list", M_QUBE},
    [REQ_FW_ADD] = {"firewall-add", M_QUBE | M_RULE | M_NUMBER},
    [REQ_FW_DEL] = {"firewall-del", M_QUBE | M_RULE | M_NUMBER},
    [REQ_FW_RESET] = {"firewall-reset", M_QUBE},
    [REQ_FW_APPLY] = {"firewall-apply", M_QUBE | M_TEXT | M_WAS | M_FILE},
    [REQ_FW_RELOAD] = {"firewall-reload", M_NAMES},
    [REQ_FW_COUNTS] = {"firewall-counts", M_NAMES},
    [REQ_FW_LOG] = {"firewall-log", M_NAMES},
    [REQ_NETVM] = {"netvm", M_QUBE | M_NETVM},
    [REQ_FORWARD_LIST] = {"forward-list", 0},
    [REQ_FORWARD_ADD] = {"forward-add", M_QUBE | M_SELECT},
    [REQ_FORWARD_DEL] = {"forward-del", M_QUBE | M_SELECT},
    [REQ_REACH_LIST] = {"reach-list", 0},
    [REQ_REACH_ADD] = {"reach-add", M_QUBE | M_SELECT},
    [REQ_REACH_DEL] = {"reach-del", M_QUBE | M_SELECT},
    [REQ_USB_LIST] = {"usb-list", 0},
    [REQ_USB_INFO] = {"usb-info", M_DEVICE},
    [REQ_USB_STATS] = {"usb-stats", 0},
    [REQ_USB_ATTACH] = {"usb-attach", M_QUBE | M_DEVICE | M_WORDS},
    [REQ_USB_DETACH] = {"usb-detach", M_MAY_QUBE | M_DEVICE},
    [REQ_USB_POLICY] = {"usb-policy", M_QUBE},
    [REQ_USB_DENY] = {"usb-deny", M_QUBE | M_SELECT},
    [REQ_USB_ALLOW] = {"usb-allow", M_QUBE | M_SELECT},
    [REQ_USB_ASSIGN] = {"usb-assign", M_QUBE | M_SELECT},
    [REQ_USB_UNASSIGN] = {"usb-unassign", M_QUBE | M_SELECT},
    [REQ_KEYS] = {"keys", M_QUBE},
    [REQ_CONSOLE] = {"console", M_QUBE},
    [REQ_QUIT] = {"quit", 0},
};

const char *request_op_name(enum request_op op)
{
    return ops[op].name;
}

static int take_name(json_t *v, char dst[CONFIG_NAME_MAX])
{
    struct text t;

    if (!json_is_string(v))
        return -EBADMSG;
    t = (struct text){json_string_value(v), json_string_length(v)};
    if (parse_qube_name(t))
        return -EBADMSG;
    return text_copy(t, dst, CONFIG_NAME_MAX);
}

static int take_names(json_t *v, struct request *r)
{
    size_t n = json_array_size(v);

    if (!json_is_array(v) || n > CONFIG_QUBES_MAX)
        return -EBADMSG;
    if (!n)
        return 0;
    r->names = calloc(n, sizeof(*r->names));
    if (!r->names)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (take_name(json_array_get(v, i), r->names[i]))
            return -EBADMSG;
        r->n_names++;
    }
    return 0;
}

static int take_words(json_t *v, struct request *r)
{
    size_t n = json_array_size(v);

    if (!json_is_array(v) || !n || n > REQUEST_WORDS_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        json_t *w = json_array_get(v, i);

        if (!json_is_string(w) || json_string_length(w) > FW_TEXT_MAX)
            return -EBADMSG;
        r->words[i] = strdup(json_string_value(w));
        if (!r->words[i])
            return -ENOMEM;
        r->n_words++;
    }
    return 0;
}

static int take_number(json_t *v, struct request *r)
{
    json_int_t n = json_integer_value(v);

    if (!json_is_integer(v) || n < 0 || n > FW_NUMBER_MAX)
        return -EBADMSG;
    r->number = (uint32_t)n;
    r->has_number = true;
    return 0;
}

static int take_force(json_t *v, struct request *r)
{
    if (!json_is_boolean(v))
        return -EBADMSG;
    r->force = json_is_true(v);
    return 0;
}

/* A text without NUL bytes of at most @p max bytes. */
static int take_text(json_t *v, size_t max, char **ret)
{
    if (!json_is_string(v) || json_string_length(v) > max ||
        strlen(json_string_value(v)) != json_string_length(v))
        return -EBADMSG;
    *ret = strdup(json_string_value(v));
    return *ret ? 0 : -ENOMEM;
}

static int take_list(json_t *v, struct request *r)
{
    return take_text(v, CONFIG_FILE_MAX, &r->text);
}

static int take_was(json_t *v, struct request *r)
{
    return take_text(v, CONFIG_FILE_MAX, &r->was);
}

static int take_file(json_t *v, struct request *r)
{
    return take_text(v, REQUEST_FILE_MAX, &r->file);
}

static int take_device(json_t *v, struct request *r)
{
    int e = take_text(v, REQUEST_DEVICE_MAX, &r->device);

    return e || (r->device[0] && text_printable(text_of(r->device))) ? e
                                                                     : -EBADMSG;
}

static int take_qube(json_t *v, struct request *r)
{
    return take_name(v, r->qube);
}

static int take_netvm(json_t *v, struct request *r)
{
    if (json_is_string(v) && !strcmp(json_string_value(v), "none")) {
        strcpy(r->netvm, "none");
        return 0;
    }
    return take_name(v, r->netvm);
}

static const struct {
    const char *name;
    unsigned bit;
    int (*take)(json_t *v, struct request *r);
    const char *want;
} members[] = {
    {"names", M_NAMES, take_names, "an array of qube names"},
    {"qube", M_QUBE, take_qube, "a qube's name"},
    {"rule", M_RULE, take_words, "an array of 1 to 64 words"},
    {"number", M_NUMBER, take_number, "a number from 0 to 9999"},
    {"force", M_FORCE, take_force, "true or false"},
    {"text", M_TEXT, take_list, "a rule list of at most 1 MiB"},
    {"was", M_WAS, take_was, "a rule list of at most 1 MiB"},
    {"file", M_FILE, take_file, "a file's name"},
    {"device", M_DEVICE, take_device, "1 to 256 printable characters"},
    {"words", M_WORDS, take_words, "an array of 1 to 64 words"},
    {"words", M_SELECT, take_words, "an array of 1 to 64 words"},
    {"qube", M_MAY_QUBE, take_qube, "a qube's name"},
    {"netvm", M_NETVM, take_netvm, "a qube's name or none"},
};

static int take_members(json_t *o, unsigned allowed, unsigned *ret_have,
                        struct request *r, char why[REQUEST_WHY_MAX])
{
    const char *key;
    json_t *v;

    json_object_foreach(o, key, v)
    {
        size_t i = 0;
        int e;

        if (!strcmp(key, "op"))
            continue;
        while (i < ARRAY_LEN(members) &&
               (strcmp(members[i].name, key) || !(allowed & members[i].bit)))
            i++;
        if (i == ARRAY_LEN(members)) {
            snprintf(why, REQUEST_WHY_MAX, "unknown member '%.40s' of '%s'",
                     key, ops[r->op].name);
            return -EBADMSG;
        }
        e = members[i].take(v, r);
        if (e) {
            snprintf(why, REQUEST_WHY_MAX, "member '%s': expected %s", key,
                     members[i].want);
            return e;
        }
        *ret_have |= members[i].bit;
    }
    return 0;
}

static int take_object(json_t *o, struct request *r, char why[REQUEST_WHY_MAX])
{
    const char *op = json_string_value(json_object_get(o, "op"));
    unsigned have = 0, i = 0;
    int e;

    while (op && i < REQ_COUNT && strcmp(ops[i].name, op))
        i++;
    if (!op || i == REQ_COUNT) {
        snprintf(why, REQUEST_WHY_MAX, "unknown operation '%.40s'",
                 op ? op : "");
        return -EBADMSG;
    }
    r->op = (enum request_op)i;
    e = take_members(o, ops[i].members, &have, r, why);
    if (e)
        return e;
    if ((ops[i].members & M_QUBE) && !(have & M_QUBE)) {
        snprintf(why, REQUEST_WHY_MAX, "'%s' without a qube", op);
        return -EBADMSG;
    }
    if ((ops[i].members & M_TEXT) && !(have & M_TEXT)) {
        snprintf(why, REQUEST_WHY_MAX, "'%s' without a text", op);
        return -EBADMSG;
    }
    if ((ops[i].members & M_DEVICE) && !(have & M_DEVICE)) {
        snprintf(why, REQUEST_WHY_MAX, "'%s' without a device", op);
        return -EBADMSG;
    }
    if ((ops[i].members & M_NETVM) && !(have & M_NETVM)) {
        snprintf(why, REQUEST_WHY_MAX, "'%s' without a netvm", op);
        return -EBADMSG;
    }
    if ((ops[i].members & M_SELECT) && !(have & M_SELECT)) {
        snprintf(why, REQUEST_WHY_MAX, "'%s' without words", op);
        return -EBADMSG;
    }
    if ((r->op == REQ_FW_ADD && !r->n_words) ||
        (r->op == REQ_FW_DEL && !!r->n_words == r->has_number)) {
        snprintf(why, REQUEST_WHY_MAX, "'%s' needs %s", op,
                 r->op == REQ_FW_ADD ? "a rule" : "either a rule or a number");
        return -EBADMSG;
    }
    return 0;
}

int request_parse(struct text line, struct request *ret,
                  char ret_why[REQUEST_WHY_MAX])
{
    struct request r = {0};
    json_error_t err;
    json_t *o = json_loadb(line.p, line.len, JSON_REJECT_DUPLICATES, &err);
    int e;

    if (!json_is_object(o)) {
        snprintf(ret_why, REQUEST_WHY_MAX, "not a JSON object: %.100s",
                 o ? "another type" : err.text);
        json_decref(o);
        return -EBADMSG;
    }
    e = take_object(o, &r, ret_why);
    json_decref(o);
    if (e) {
        request_free(&r);
        return e;
    }
    *ret = r;
    return 0;
}

void request_free(struct request *r)
{
    free(r->names);
    for (int i = 0; i < r->n_words; i++)
        free(r->words[i]);
    free(r->text);
    free(r->was);
    free(r->file);
    free(r->device);
    *r = (struct request){0};
}
