/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Free ports of vhci_hcd. pure. See vhci_status.h. */
#include "usbvm/frontend/vhci_status.h"

#include <stdbool.h>
#include <string.h>

#include "lib/err.h"

#define COLUMNS 7 /* hub port sta spd dev sockfd local_busid */
#define PORT_MAX 65535
#define STA_FREE 4 /* VDEV_ST_NULL */
#define STA_LAST 7
#define SPEED_SUPER 5

/* A number with leading zeros, as the kernel's "%04u" writes it. */
static int number(struct text t, uint32_t max, uint32_t *ret)
{
    if (t.len == 0 || !text_only(t, PARSE_DIGIT))
        return -EBADMSG;
    while (t.len > 1 && t.p[0] == '0') {
        t.p++;
        t.len--;
    }
    return parse_u32(t, 0, max, ret) < 0 ? -EBADMSG : 0;
}

/* The columns of one line; several blanks part them.
 * @return how many, at most COLUMNS + 1 */
static unsigned split(struct text line, struct text ret[COLUMNS])
{
    struct text piece;
    unsigned n = 0;

    while (parse_split(&line, ' ', &piece)) {
        if (piece.len == 0)
            continue;
        if (n == COLUMNS)
            return COLUMNS + 1;
        ret[n++] = piece;
    }
    return n;
}

struct row {
    bool super;
    uint32_t port, state;
};

static int parse_row(struct text line, struct row *ret)
{
    struct text col[COLUMNS];

    if (split(line, col) != COLUMNS)
        return -EBADMSG;
    ret->super = text_eq(col[0], "ss");
    if (!ret->super && !text_eq(col[0], "hs"))
        return -EBADMSG;
    if (number(col[1], PORT_MAX, &ret->port) < 0)
        return -EBADMSG;
    return number(col[2], STA_LAST, &ret->state);
}

int vhci_status_free(struct text status, unsigned speed, uint32_t from,
                     uint32_t *ret)
{
    struct text line, head[COLUMNS];
    bool found = false;
    uint32_t port = 0;

    if (!parse_split(&status, '\n', &line) || split(line, head) != COLUMNS ||
        !text_eq(head[0], "hub") || !text_eq(head[1], "port") ||
        !text_eq(head[2], "sta"))
        return -EBADMSG;
    while (parse_split(&status, '\n', &line)) {
        struct row row;
        if (line.len == 0)
            continue; /* behind the last line */
        if (parse_row(line, &row) < 0)
            return -EBADMSG;
        if (row.super == (speed >= SPEED_SUPER) && row.state == STA_FREE &&
            row.port >= from && (!found || row.port < port)) {
            found = true;
            port = row.port;
        }
    }
    if (!found)
        return -ENOENT;
    *ret = port;
    return 0;
}
