/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device's own description, from usbfs. effect. See usb_identity.h. */
#include "usbvm/backend/usb_identity.h"

#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/err.h"

#define ASK_MS 1000

/* GET_DESCRIPTOR. @return bytes; -errno */
static int ask(int fd, uint8_t type, uint8_t index, uint16_t w_index,
               uint8_t *buf, uint16_t len)
{
    struct usbdevfs_ctrltransfer c = {
        .bRequestType = USB_DIR_IN,
        .bRequest = USB_REQ_GET_DESCRIPTOR,
        .wValue = (uint16_t)(type << 8 | index),
        .wIndex = w_index,
        .wLength = len,
        .timeout = ASK_MS,
        .data = buf,
    };
    int r = ioctl(fd, USBDEVFS_CONTROL, &c);

    return r < 0 ? err_last() : r;
}

/* The device's own descriptor says whether there can be one (bcdUSB from
 * 2.01 on). One that is cut short is left out: the parser would refuse it. */
static void read_bos(int fd, struct usb_identity *id)
{
    uint8_t head[USB_DT_BOS_SIZE];

    if (id->raw_len < USB_DT_DEVICE_SIZE ||
        (id->untrusted_raw[3] << 8 | id->untrusted_raw[2]) < 0x0201)
        return;
    int r = ask(fd, USB_DT_BOS, 0, 0, head, sizeof(head));
    if (r != (int)sizeof(head))
        return;
    size_t total = (size_t)(head[3] << 8 | head[2]);
    if (total < sizeof(head) || total > sizeof(id->untrusted_bos))
        return;
    r = ask(fd, USB_DT_BOS, 0, 0, id->untrusted_bos, (uint16_t)total);
    if (r == (int)total)
        id->bos_len = total;
}

int usb_identity_read(int fd, struct usb_identity *ret)
{
    memset(ret, 0, sizeof(*ret));
    int speed = ioctl(fd, USBDEVFS_GET_SPEED);
    if (speed < 0)
        return err_last();
    ret->speed = (uint8_t)speed;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_last();
    while (ret->raw_len < sizeof(ret->untrusted_raw)) {
        ssize_t n = read(fd, ret->untrusted_raw + ret->raw_len,
                         sizeof(ret->untrusted_raw) - ret->raw_len);
        if (n < 0)
            return err_last();
        if (n == 0)
            break;
        ret->raw_len += (size_t)n;
    }
    if (ret->raw_len == sizeof(ret->untrusted_raw))
        return -ENOBUFS;
    read_bos(fd, ret);
    return 0;
}

void usb_identity_hash(const struct usb_identity *id,
                       uint8_t ret[USB_DSET_HASH_BYTES])
{
    usb_dset_hash(cur_of(id->untrusted_raw, id->raw_len),
                  cur_of(id->untrusted_bos, id->bos_len), ret);
}

int usb_identity_string(int fd, uint8_t index, uint16_t language,
                        uint8_t ret_untrusted[USB_IDENTITY_STRING_MAX])
{
    return ask(fd, USB_DT_STRING, index, language, ret_untrusted,
               USB_IDENTITY_STRING_MAX);
}
