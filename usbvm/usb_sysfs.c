/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that sysfs shows now. effect. See usb_sysfs.h. */
#include "usbvm/usb_sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/usb_descr.h"

#define SYSFS_VALUE_MAX 1024   /* a string descriptor is 252 bytes at most */
#define SYSFS_ENTRIES_MAX 4096 /* names looked at in one scan */
#define USB_CLASS_HUB 0x09

/* What DIR/NAME/FILE holds, @p cap bytes at most. */
static int read_all(int dir, const char *name, const char *file, void *buf,
                    size_t cap, size_t *ret_len)
{
    char path[USB_PORT_TEXT_MAX + 40];
    uint8_t *p = buf;
    size_t len = 0;

    snprintf(path, sizeof(path), "%s/%.32s", name, file);
    CLEANUP_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_last();
    while (len < cap) {
        ssize_t n = read(fd, p + len, cap - len);
        if (n < 0)
            return err_last();
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_len = len;
    return 0;
}

/* Value of DIR/NAME/FILE without its newline. */
static int read_value(int dir, const char *name, const char *file,
                      char buf[SYSFS_VALUE_MAX], struct text *ret)
{
    size_t n = 0;
    int r = read_all(dir, name, file, buf, SYSFS_VALUE_MAX, &n);

    if (r < 0)
        return r;
    if (n > 0 && buf[n - 1] == '\n')
        n--;
    *ret = (struct text){buf, n};
    return 0;
}

/* Texts a device may lack. */
static struct text optional(int dir, const char *name, const char *file,
                            char buf[SYSFS_VALUE_MAX])
{
    struct text t = {buf, 0};

    if (read_value(dir, name, file, buf, &t) < 0)
        t.len = 0;
    return t;
}

/* The kernel's number of the device on its bus, 0 if it has none. */
static uint16_t read_number(int dir, const char *name)
{
    char buf[SYSFS_VALUE_MAX];
    uint32_t n;

    if (parse_u32(optional(dir, name, "devnum", buf), 0, UINT16_MAX, &n) < 0)
        return 0;
    return (uint16_t)n;
}

/* @return 0; -EISDIR a hub; -errno */
static int read_device(int dir, const char *name, uint8_t *scratch,
                       struct usb_entry *ret)
{
    char vendor[SYSFS_VALUE_MAX], model[SYSFS_VALUE_MAX];
    char serial[SYSFS_VALUE_MAX];
    struct usb_descr d;
    size_t len;
    /* First: a device that takes its place meanwhile has another number, and
     * dom0 then trusts none of this. */
    ret->number = read_number(dir, name);
    int r =
        read_all(dir, name, "descriptors", scratch, USB_DESCR_MAX_BYTES, &len);

    if (r < 0)
        return r;
    struct cur in = cur_of(scratch, len);
    r = usb_descr_parse(&in, &d);
    if (r < 0)
        return r;
    if (d.device_class == USB_CLASS_HUB)
        return -EISDIR;
    ret->odd = d.odd;
    ret->version = (char)('0' + d.version);
    usb_ident_desc(d.vendor_id, d.product_id,
                   optional(dir, name, "manufacturer", vendor),
                   optional(dir, name, "product", model),
                   optional(dir, name, "serial", serial), ret->desc);
    usb_ifaces_format(&d.ifaces, ret->interfaces);
    return 0;
}

/* Names first: what the folder holds must not change under its reading. */
static size_t list_ports(DIR *d, struct usb_port *ret, size_t cap)
{
    struct dirent *e;
    size_t n = 0;

    for (int i = 0; i < SYSFS_ENTRIES_MAX && n < cap && (e = readdir(d)); i++)
        if (usb_port_from_name(text_of(e->d_name), &ret[n]) == 0)
            n++;
    return n;
}

static int by_port(const void *a, const void *b)
{
    return usb_port_cmp(a, b);
}

int usb_sysfs_scan(int sysfs, struct usb_table *ret)
{
    struct usb_port ports[2 * USB_TABLE_MAX]; /* hubs are among them */
    int fd =
        openat(sysfs, "bus/usb/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        int r = err_last();
        if (fd >= 0)
            close(fd);
        ret->n = 0;
        ret->full = false;
        return r == -ENOENT ? 0 : r;
    }
    uint8_t *scratch = malloc(USB_DESCR_MAX_BYTES);
    if (!scratch) {
        closedir(d);
        return -ENOMEM;
    }
    ret->n = 0;
    ret->full = false;
    size_t n = list_ports(d, ports, ARRAY_LEN(ports));
    /* Sorted first: if there are too many, it is always the same ones. */
    qsort(ports, n, sizeof(ports[0]), by_port);
    for (size_t i = 0; i < n; i++) {
        char name[USB_PORT_TEXT_MAX];
        struct usb_entry e = {.port = ports[i]};
        if (read_device(fd, usb_port_name(&ports[i], name), scratch, &e) == 0)
            usb_table_add(ret, &e);
    }
    free(scratch);
    closedir(d);
    usb_table_sort(ret);
    return 0;
}
