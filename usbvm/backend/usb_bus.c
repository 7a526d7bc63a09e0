/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysfs of the USB core. effect. See usb_bus.h. */
#include "usbvm/backend/usb_bus.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

#define DEVICES "bus/usb/devices"
#define ENTRIES_MAX 4096
#define VALUE_MAX 16
#define CLASS_HUB 9
#define NUMBER_MAX 127
#define CONFIG_MAX 255
#define PATH_BYTES (sizeof(DEVICES) + USB_PORT_TEXT_MAX + 64)

/* A number of DEVICES/NAME/FILE, as the kernel prints it. */
static int read_number(int sysfs, const char *name, const char *file,
                       uint32_t max, uint32_t *ret)
{
    char path[PATH_BYTES], buf[VALUE_MAX];

    snprintf(path, sizeof(path), DEVICES "/%.30s/%s", name, file);
    CLEANUP_FD int fd = openat(sysfs, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_last();
    ssize_t n = read(fd, buf, sizeof(buf));
    if (n < 0)
        return err_last();
    if (n > 0 && buf[n - 1] == '\n')
        n--;
    return parse_u32((struct text){buf, (size_t)n}, 0, max, ret);
}

static int write_text(int sysfs, const char *path, const char *text)
{
    CLEANUP_FD int fd = openat(sysfs, path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);

    if (fd < 0)
        return err_last();
    return write(fd, text, len) == (ssize_t)len ? 0 : err_last();
}

static bool is_vhci(int sysfs, const char *name)
{
    char path[PATH_BYTES], to[PATH_MAX];

    snprintf(path, sizeof(path), DEVICES "/%.30s", name);
    ssize_t n = readlinkat(sysfs, path, to, sizeof(to) - 1);
    if (n < 0)
        return false;
    to[n] = '\0';
    return strstr(to, "/vhci_hcd.") != NULL;
}

/* The class comes from the device, in two digits of hexadecimal. */
static bool is_hub(int sysfs, const char *name)
{
    char path[PATH_BYTES], buf[VALUE_MAX];

    snprintf(path, sizeof(path), DEVICES "/%.30s/bDeviceClass", name);
    CLEANUP_FD int fd = openat(sysfs, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, sizeof(buf));
    return n >= 2 && buf[0] == '0' && buf[1] == '0' + CLASS_HUB;
}

static int read_device(int sysfs, const struct usb_port *port,
                       struct usb_seen *ret)
{
    char name[USB_PORT_TEXT_MAX];
    uint32_t number = 0, used = 0;

    usb_port_name(port, name);
    if (is_vhci(sysfs, name))
        return -ENODEV;
    int r = read_number(sysfs, name, "devnum", NUMBER_MAX, &number);
    if (r == 0)
        r = read_number(sysfs, name, "authorized", 1, &used);
    if (r == 0 && number == 0)
        r = -EBADMSG;
    if (r == 0)
        *ret = (struct usb_seen){.port = *port,
                                 .number = (uint16_t)number,
                                 .hub = is_hub(sysfs, name),
                                 .used = used == 1};
    return r;
}

static DIR *open_devices(int sysfs)
{
    int fd = openat(sysfs, DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d && fd >= 0)
        close(fd);
    return d;
}

static int by_port(const void *a, const void *b)
{
    const struct usb_seen *x = a, *y = b;

    return usb_port_cmp(&x->port, &y->port);
}

int usb_bus_scan(int sysfs, struct usb_seen *ret, size_t cap)
{
    DIR *d = open_devices(sysfs);
    struct dirent *e;
    size_t n = 0;

    if (!d)
        return errno == ENOENT ? 0 : err_last();
    for (int i = 0; i < ENTRIES_MAX && n < cap && (e = readdir(d)); i++) {
        struct usb_port port;
        if (usb_port_from_name(text_of(e->d_name), &port) == 0 &&
            read_device(sysfs, &port, &ret[n]) == 0)
            n++;
    }
    closedir(d);
    qsort(ret, n, sizeof(*ret), by_port);
    return (int)n;
}

static bool is_root_hub(const char *name)
{
    return strncmp(name, "usb", 3) == 0 && name[3] &&
           text_only(text_of(name + 3), PARSE_DIGIT);
}

int usb_bus_guard(int sysfs)
{
    static const char *const files[] = {"authorized_default",
                                        "interface_authorized_default"};
    DIR *d = open_devices(sysfs);
    struct dirent *e;
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : err_last();
    for (int i = 0; i < ENTRIES_MAX && (e = readdir(d)); i++) {
        if (!is_root_hub(e->d_name) || is_vhci(sysfs, e->d_name))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(files); k++) {
            char path[PATH_BYTES];
            snprintf(path, sizeof(path), DEVICES "/%.30s/%s", e->d_name,
                     files[k]);
            int w = write_text(sysfs, path, "0");
            r = r < 0 ? r : w;
        }
    }
    closedir(d);
    return r;
}

static void authorized_path(const struct usb_port *port, char ret[PATH_BYTES])
{
    char name[USB_PORT_TEXT_MAX];

    snprintf(ret, PATH_BYTES, DEVICES "/%.30s/authorized",
             usb_port_name(port, name));
}

int usb_bus_open_authorized(int sysfs, const struct usb_port *port)
{
    char path[PATH_BYTES];

    authorized_path(port, path);
    int fd = openat(sysfs, path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? err_last() : fd;
}

int usb_bus_authorize(int sysfs, const struct usb_port *port)
{
    char path[PATH_BYTES];

    authorized_path(port, path);
    return write_text(sysfs, path, "1");
}

int usb_bus_authorize_interfaces(int sysfs, const struct usb_port *port,
                                 uint32_t mask)
{
    char name[USB_PORT_TEXT_MAX], path[PATH_BYTES];
    uint32_t config = 0;

    usb_port_name(port, name);
    /* Empty without a configuration: then there are no interfaces either. */
    if (read_number(sysfs, name, "bConfigurationValue", CONFIG_MAX, &config) <
        0)
        return 0;
    for (unsigned i = 0; i < 32; i++) {
        if (!(mask >> i & 1))
            continue;
        snprintf(path, sizeof(path), DEVICES "/%.30s:%u.%u/authorized", name,
                 config, i);
        int r = write_text(sysfs, path, "1");
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

int usb_bus_start_hub(int sysfs, const struct usb_port *port)
{
    char name[USB_PORT_TEXT_MAX], text[USB_PORT_TEXT_MAX + 8];

    int r = usb_bus_authorize(sysfs, port);
    if (r == 0)
        r = usb_bus_authorize_interfaces(sysfs, port, 1);
    if (r < 0)
        return r;
    /* Every hub has one configuration, number 1 (USB 2.0, 11.23.1). */
    snprintf(text, sizeof(text), "%.30s:1.0", usb_port_name(port, name));
    return write_text(sysfs, "bus/usb/drivers_probe", text);
}
