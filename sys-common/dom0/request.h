/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request of the control socket: a line of JSON to a struct, strict.
 * pure. Fed by whoever may open the socket (the administrator). */
#ifndef SQ_DOM0_REQUEST_H
#define SQ_DOM0_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/config.h"

/* Bytes with the newline: a list of CONFIG_FILE_MAX bytes and the one it
 * replaces, their newlines escaped, fit. Room for a line grows as it comes. */
#define REQUEST_LINE_MAX (4 * 1024 * 1024)
#define REQUEST_WORDS_MAX 64 /* of one rule */
#define REQUEST_WHY_MAX 160
#define REQUEST_FILE_MAX 1024  /* bytes of a file's name */
#define REQUEST_DEVICE_MAX 256 /* bytes that name a USB device */

enum request_op {
    REQ_STATUS,
    REQ_UP,
    REQ_DOWN,
    REQ_FW_LIST,
    REQ_FW_ADD,
    REQ_FW_DEL,
    REQ_FW_RESET,
    REQ_FW_APPLY,
    REQ_FW_RELOAD,
    REQ_FW_COUNTS,
    REQ_FW_LOG,
    REQ_NETVM,
    REQ_FORWARD_LIST,
    REQ_FORWARD_ADD,
    REQ_FORWARD_DEL,
    REQ_REACH_LIST,
    REQ_REACH_ADD,
    REQ_REACH_DEL,
    REQ_USB_LIST,
    REQ_USB_INFO,
    REQ_USB_STATS,
    REQ_USB_ATTACH,
    REQ_USB_DETACH,
    REQ_USB_POLICY,
    REQ_USB_DENY,
    REQ_USB_ALLOW,
    REQ_USB_ASSIGN,
    REQ_USB_UNASSIGN,
    REQ_KEYS,
    REQ_CONSOLE,
    REQ_QUIT,
    REQ_COUNT
};

struct request {
    enum request_op op;
    char (*names)[CONFIG_NAME_MAX]; /* up, down; owned */
    size_t n_names;
    char qube[CONFIG_NAME_MAX];     /* firewall, netvm, keys, console, usb */
    char *words[REQUEST_WORDS_MAX]; /* of a rule, of a usb wish; owned */
    int n_words;
    char *text;      /* fw apply: the list; owned */
    char *was;       /* fw apply: the list it replaces; NULL: any; owned */
    char *file;      /* fw apply: where the text is from; NULL; owned */
    char *device;    /* usb: name of a device; owned */
    bool has_number; /* fw add: insert before; fw del: which */
    uint32_t number;
    char netvm[CONFIG_NAME_MAX]; /* netvm: the new one, perhaps "none" */
    bool force;                  /* down, although qubes hang on it */
};

/** Parse a line (without its newline).
 *  @param ret      request_free(); written on success only
 *  @param ret_why  on failure a text for a person
 *  @return 0; -EBADMSG; -ENOMEM */
int request_parse(struct text line, struct request *ret,
                  char ret_why[REQUEST_WHY_MAX]);
void request_free(struct request *r);

/** Name of an operation on the wire; static. */
const char *request_op_name(enum request_op op);

#endif
