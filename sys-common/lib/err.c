/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error texts. pure. See err.h. */
#include "lib/err.h"

#include <string.h>

const char *err_text(int err)
{
    int e = err < 0 ? -err : err;

    switch (e) {
    case 0:
        return "success";
    case EBADMSG:
        return "malformed";
    case ENOBUFS:
        return "too large";
    case EPROTO:
        return "not allowed in this state";
    case ETIMEDOUT:
        return "timed out";
    default:
        break;
    }
    const char *s = strerrordesc_np(e);
    return s ? s : "unknown error";
}

int err_last(void)
{
    return errno > 0 ? -errno : -EIO;
}
