/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-probe: what is this device now? glue. Started by usb-broker for one
 * device that was plugged in, or comes back from a loan; fed by the device
 * (hostile). It resets the device if it was used, so that nothing of the
 * last user's is left in it, reads its descriptors and says their hash. With
 * --hub it makes a hub work instead. Everything here may have to wait for
 * the device, so it is a process of its own, and sandboxed before it reads a
 * byte of it. */
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"
#include "usbvm/backend/export_fd.h"
#include "usbvm/backend/export_msg.h"
#include "usbvm/backend/usb_bus.h"
#include "usbvm/backend/usb_identity.h"

#define MEMORY_MAX (32u << 20)

struct probe {
    struct usb_port port;
    bool reset;
    int authorized; /* attribute of the device, with reset */
    int fd;         /* usbfs node */
    struct usb_identity id;
};

static const unsigned long ioctls[] = {
    USBDEVFS_CONTROL,
    USBDEVFS_GET_SPEED,
    USBDEVFS_RESET,
};

static int enter_sandbox(void)
{
    const struct sandbox box = {
        .uid = PROBE_UID,
        .gid = PROBE_UID,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET,
        .ioctls = ioctls,
        .n_ioctls = ARRAY_LEN(ioctls),
        .max_memory = MEMORY_MAX,
        .max_files = 8,
    };

    return sandbox_enter(&box);
}

/* Without a configuration nobody's claim is left; then the reset. */
static int give_back(const struct probe *p)
{
    if (write(p->authorized, "0", 1) != 1)
        return err_last();
    return ioctl(p->fd, USBDEVFS_RESET) < 0 ? err_last() : 0;
}

/* Each code of each interface, wherever it stands. */
static int fill_map(const struct usb_dset *set, struct usb_ifmap *ret)
{
    for (size_t c = 0; c < set->n_configs; c++) {
        for (size_t i = 0; i < set->configs[c].n_alts; i++) {
            const struct usb_alt *a = &set->configs[c].alts[i];
            int r = usb_ifmap_add(ret, a->number,
                                  (struct usb_iface){a->cls, a->sub, a->proto});
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* A set that the strict parser refuses is not lent to anybody. */
static int list_interfaces(const struct usb_identity *id,
                           struct usb_probe_rec *ret)
{
    enum usb_dset_fault fault = USB_FAULT_NONE;
    struct usb_ifmap map = {0};
    struct usb_dset *set = NULL;
    int r = usb_dset_parse(cur_of(id->untrusted_raw, id->raw_len),
                           cur_of(id->untrusted_bos, id->bos_len), id->speed,
                           &fault, &set);

    if (r == -EBADMSG) {
        log_warn("descriptors: %s", usb_dset_fault_text(fault));
        ret->fault = fault;
    }
    if (r == 0)
        r = fill_map(set, &map);
    usb_dset_free(set);
    for (unsigned i = 0; r == 0 && i < map.n; i++) {
        ret->iface[i].number = map.e[i].number;
        ret->iface[i].cls = map.e[i].code.cls;
        ret->iface[i].sub = map.e[i].code.sub;
        ret->iface[i].proto = map.e[i].code.proto;
    }
    ret->n = map.n;
    return r;
}

static int identify(struct probe *p, struct usb_probe_rec *ret)
{
    int r = p->reset ? give_back(p) : 0;

    if (r == 0)
        r = usb_identity_read(p->fd, &p->id);
    if (r < 0)
        return r;
    ret->speed = p->id.speed;
    usb_identity_hash(&p->id, ret->hash);
    return list_interfaces(&p->id, ret);
}

static int run(struct probe *p, int sysfs)
{
    struct usb_probe_rec rec = {0};
    int r = p->fd = export_fd_receive(PRIVSEP_CHILD_FD);

    if (r >= 0 && p->reset)
        r = p->authorized = usb_bus_open_authorized(sysfs, &p->port);
    close(sysfs);
    if (r >= 0)
        r = enter_sandbox();
    if (r < 0) {
        log_err("set-up: %s", err_text(r));
        return 1;
    }
    r = identify(p, &rec);
    if (r < 0) {
        log_warn("device: %s", err_text(r));
        rec =
            (struct usb_probe_rec){.status = (uint32_t)-r, .fault = rec.fault};
    }
    r = privsep_send(PRIVSEP_CHILD_FD, &rec, sizeof(rec));
    return r < 0 ? 1 : 0;
}

static int start_hub(int sysfs, const struct usb_port *port)
{
    int r = usb_bus_start_hub(sysfs, port);

    if (r < 0)
        log_warn("hub: %s", err_text(r));
    return r < 0 ? 1 : 0;
}

static int usage(FILE *out, int status)
{
    fprintf(out, "usage: usb-probe --port PORT [--reset | --hub] "
                 "[--sysfs DIR]\n"
                 "Identifies one USB device; started by usb-broker, see "
                 "usb-probe(8).\n");
    return status;
}

int main(int argc, char **argv)
{
    static struct probe p; /* large */
    const char *sysfs = "/sys";
    bool hub = false, port = false;

    log_init("usb-probe", LOG_LEVEL_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--version") == 0)
            return printf("usb-probe %s\n", SQ_VERSION) < 0;
        if (strcmp(argv[i], "--reset") == 0)
            p.reset = true;
        else if (strcmp(argv[i], "--hub") == 0)
            hub = true;
        else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc)
            port = usb_port_from_name(text_of(argv[++i]), &p.port) == 0;
        else if (strcmp(argv[i], "--sysfs") == 0 && i + 1 < argc)
            sysfs = argv[++i];
        else
            return usage(stderr, 2);
    }
    if (!port || (hub && p.reset))
        return usage(stderr, 2);
    int fd = open(sysfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        log_err("%s: %s", sysfs, err_text(err_last()));
        return 1;
    }
    return hub ? start_hub(fd, &p.port) : run(&p, fd);
}
