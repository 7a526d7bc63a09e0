/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Qubes as Xen domains, by libxl, libxenstore and libxenctrl's libraries;
 * the xl command is never run. effect. Fed by sysqubed (trusted); of the
 * guests it reads only their state from the hypervisor. Calls of libxl are
 * synchronous: each may take seconds. libxl owns SIGCHLD here and reaps its
 * own children only, so sysqubed must not install a handler of its own.
 * Sources: spec/xen-toolstack.md "Plain Xen", spec/xen-lab.md. */
#include "dom0/platform.h"

#include <fcntl.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

#define XEN_DOMAINS_MAX 256
#define XEN_TOKEN "sysqube-release"

struct xen {
    libxl_ctx *ctx;
    xentoollog_logger *logger;
    struct xs_handle *xs;
    struct loop_io *io;
    uint32_t domids[XEN_DOMAINS_MAX];
    size_t n;
};

/* libxl's own small negative numbers, as far as they have a meaning here. */
static int xl_errno(int rc)
{
    switch (rc) {
    case ERROR_NOMEM:
        return -ENOMEM;
    case ERROR_TIMEDOUT:
        return -ETIMEDOUT;
    case ERROR_DOMAIN_NOTFOUND:
        return -ESRCH;
    case ERROR_INVAL:
        return -EINVAL;
    case ERROR_BADFAIL:
    default:
        return -EIO;
    }
}

static void forget(struct xen *x, uint32_t domid)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->domids[i] == domid) {
            x->domids[i] = x->domids[--x->n];
            return;
        }
    }
}

/* ---- death of domains ---- */

/* NULL while it lives, else why it does not. */
static const char *death_of(struct xen *x, uint32_t domid)
{
    libxl_dominfo info;
    const char *why = NULL;

    libxl_dominfo_init(&info);
    int rc = libxl_domain_info(x->ctx, &info, domid);
    if (rc == ERROR_DOMAIN_NOTFOUND) {
        why = "gone";
    } else if (rc == 0 && info.dying) {
        why = "ended";
    } else if (rc == 0 && info.shutdown) {
        switch (info.shutdown_reason) {
        case LIBXL_SHUTDOWN_REASON_POWEROFF:
            why = "powered off";
            break;
        case LIBXL_SHUTDOWN_REASON_REBOOT:
            why = "asked for a reboot";
            break;
        case LIBXL_SHUTDOWN_REASON_CRASH:
        case LIBXL_SHUTDOWN_REASON_WATCHDOG:
            why = "crashed";
            break;
        case LIBXL_SHUTDOWN_REASON_SUSPEND:
            break;
        case LIBXL_SHUTDOWN_REASON_UNKNOWN:
        case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        default:
            why = "shut down";
            break;
        }
    }
    libxl_dominfo_dispose(&info);
    return why;
}

static void remove_node(struct xen *x, const char *path)
{
    if (!xs_rm(x->xs, XBT_NULL, path) && errno != ENOENT)
        log_warn("xenstore: %s: %s", path, err_text(err_last()));
}

static void remove_if_empty(struct xen *x, const char *path)
{
    unsigned n = 0;
    char **names = xs_directory(x->xs, XBT_NULL, path, &n);

    if (names && n == 0)
        remove_node(x, path);
    free(names);
}

static void xen_vchan_clean(struct platform *p, uint32_t domid)
{
    struct xen *x = p->priv;
    char path[64];

    snprintf(path, sizeof(path), "/local/domain/0/data/vchan/%u", domid);
    remove_node(x, path);
    remove_if_empty(x, "/local/domain/0/data/vchan");
    remove_if_empty(x, "/local/domain/0/data");
}

/* libxl keeps a folder per assignable device, empty as no driver is noted. */
static void clean_pci_notes(struct xen *x)
{
    unsigned n = 0;
    char **names = xs_directory(x->xs, XBT_NULL, "/libxl/pci", &n);

    for (unsigned i = 0; names && i < n; i++) {
        char path[96];
        snprintf(path, sizeof(path), "/libxl/pci/%.64s", names[i]);
        remove_if_empty(x, path);
    }
    free(names);
}

/* libxl leaves the nodes of pciback when a domain ends; without them the
 * driver lets go of the device, which stays hidden from dom0. */
static void clean_domain(struct platform *p, uint32_t domid)
{
    char path[64];

    clean_pci_notes(p->priv);
    snprintf(path, sizeof(path), "/local/domain/0/backend/pci/%u", domid);
    remove_node(p->priv, path);
    xen_vchan_clean(p, domid);
}

static void sweep(struct platform *p)
{
    struct xen *x = p->priv;
    uint32_t seen[XEN_DOMAINS_MAX];
    size_t n = x->n;

    memcpy(seen, x->domids, sizeof(seen));
    for (size_t i = 0; i < n; i++) {
        const char *why = death_of(x, seen[i]);
        if (!why)
            continue;
        forget(x, seen[i]);
        if (libxl_domain_info(x->ctx, NULL, seen[i]) == 0)
            libxl_domain_destroy(x->ctx, seen[i], NULL);
        clean_domain(p, seen[i]);
        p->died(seen[i], why, p->arg);
    }
}

static void on_xenstore(int fd, unsigned events, void *arg)
{
    struct platform *p = arg;
    struct xen *x = p->priv;
    bool released = false;

    (void)fd;
    (void)events;
    for (int turn = 0; turn < 64; turn++) {
        char **ev = xs_check_watch(x->xs);
        if (!ev)
            break;
        released |= strcmp(ev[XS_WATCH_TOKEN], XEN_TOKEN) == 0;
        free(ev);
    }
    if (released)
        sweep(p);
}

/* ---- open and close ---- */
static void xen_close(struct platform *p)
{
    struct xen *x = p->priv;

    if (!x)
        return;
    loop_io_free(x->io);
    if (x->xs)
        xs_close(x->xs);
    if (x->ctx)
        libxl_ctx_free(x->ctx);
    if (x->logger)
        xtl_logger_destroy(x->logger);
    free(x);
    p->priv = NULL;
}

static int open_all(struct platform *p, struct xen *x)
{
    static const libxl_childproc_hooks hooks = {
        .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    };

    /* libxl crashes rather than fails where no hypervisor runs. */
    if (access("/proc/xen/privcmd", F_OK) != 0 &&
        access("/dev/xen/privcmd", F_OK) != 0)
        return platform_fail(p, -ENODEV, "this is no Xen dom0 (no privcmd)");
    x->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_WARN, XTL_STDIOSTREAM_HIDE_PROGRESS);
    if (!x->logger)
        return platform_fail(p, -ENOMEM, "libxl logger");
    if (libxl_ctx_alloc(&x->ctx, LIBXL_VERSION, 0, x->logger) != 0) {
        x->ctx = NULL;
        return platform_fail(p, -EIO, "libxl: cannot open the hypervisor");
    }
    libxl_childproc_setmode(x->ctx, &hooks, NULL);
    x->xs = xs_open(0);
    if (!x->xs)
        return platform_fail(p, err_last(), "cannot reach xenstored");
    if (!xs_watch(x->xs, "@releaseDomain", XEN_TOKEN))
        return platform_fail(p, err_last(), "xenstore watch");
    int r = loop_io_new(p->loop, xs_fileno(x->xs), LOOP_READ, on_xenstore, p,
                        &x->io);
    return r < 0 ? platform_fail(p, r, "event loop") : 0;
}

static int xen_open(struct platform *p)
{
    struct xen *x = calloc(1, sizeof(*x));

    if (!x)
        return platform_fail(p, -ENOMEM, "xen");
    p->priv = x;
    int r = open_all(p, x);
    if (r < 0)
        xen_close(p);
    return r;
}

/* ---- creating ---- */
static libxl_domain_type type_of(enum qube_virt v)
{
    switch (v) {
    case VIRT_PVH:
        return LIBXL_DOMAIN_TYPE_PVH;
    case VIRT_PV:
        return LIBXL_DOMAIN_TYPE_PV;
    case VIRT_HVM:
        break;
    }
    return LIBXL_DOMAIN_TYPE_HVM;
}

static void pci_fill(libxl_device_pci *ret, const struct pci_addr *a)
{
    libxl_device_pci_init(ret);
    ret->domain = a->domain;
    ret->bus = a->bus;
    ret->dev = a->dev;
    ret->func = a->func;
}

/* Take each device from its dom0 driver before the domain is made. No driver
 * is noted for later: a device that a VM had never goes back to dom0. */
static int make_assignable(struct platform *p, const struct platform_spec *s)
{
    struct xen *x = p->priv;

    for (size_t i = 0; i < s->n_pci; i++) {
        char name[PCI_TEXT_MAX];
        libxl_device_pci pci;
        pci_fill(&pci, &s->pci[i]);
        int rc = libxl_device_pci_assignable_add(x->ctx, &pci, 0);
        libxl_device_pci_dispose(&pci);
        if (rc != 0)
            return platform_fail(
                p, xl_errno(rc),
                "PCI device %s cannot be made assignable (is it there, is "
                "xen-pciback loaded?)",
                config_pci_format(&s->pci[i], name));
    }
    return 0;
}

static char *path_of(const char *image, const char *file)
{
    char *s = NULL;

    return asprintf(&s, "%s/%s", image, file) < 0 ? NULL : s;
}

static int fill_config(struct xen *x, const struct platform_spec *s,
                       libxl_domain_config *c)
{
    libxl_domain_type type = type_of(s->virt);

    c->c_info.type = type;
    c->c_info.name = strdup(s->name);
    libxl_uuid_generate(&c->c_info.uuid);
    libxl_defbool_set(&c->c_info.driver_domain, s->driver_domain);
    libxl_domain_build_info_init_type(&c->b_info, type);
    c->b_info.max_vcpus = (int)s->vcpus;
    if (libxl_cpu_bitmap_alloc(x->ctx, &c->b_info.avail_vcpus, (int)s->vcpus) !=
        0)
        return -ENOMEM;
    libxl_bitmap_set_any(&c->b_info.avail_vcpus);
    c->b_info.max_memkb = (uint64_t)s->memory_mib * 1024;
    c->b_info.target_memkb = c->b_info.max_memkb;
    c->b_info.kernel = path_of(s->image, "vmlinuz");
    c->b_info.ramdisk = path_of(s->image, "initramfs");
    c->b_info.cmdline = strdup(s->cmdline);
    if (type == LIBXL_DOMAIN_TYPE_PV && s->n_pci > 0)
        libxl_defbool_set(&c->b_info.u.pv.e820_host, true);
    /* What ends is destroyed by sweep(), after its reason was read. */
    c->on_poweroff = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    c->on_reboot = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    c->on_crash = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    c->on_watchdog = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
    if (s->n_pci > 0) {
        c->pcidevs = calloc(s->n_pci, sizeof(*c->pcidevs));
        if (!c->pcidevs)
            return -ENOMEM;
        for (size_t i = 0; i < s->n_pci; i++)
            pci_fill(&c->pcidevs[i], &s->pci[i]);
        c->num_pcidevs = (int)s->n_pci;
    }
    if (!c->c_info.name || !c->b_info.kernel || !c->b_info.ramdisk ||
        !c->b_info.cmdline)
        return -ENOMEM;
    return 0;
}

static int xen_create(struct platform *p, const struct platform_spec *s,
                      uint32_t *ret_domid)
{
    struct xen *x = p->priv;
    libxl_domain_config c;
    uint32_t domid = (uint32_t)INVALID_DOMID;

    if (s->virt == VIRT_HVM)
        return platform_fail(p, -EOPNOTSUPP,
                             "VirtMode=hvm needs a device model, which this "
                             "release does not start: use pv or pvh");
    if (x->n >= XEN_DOMAINS_MAX)
        return platform_fail(p, -ENFILE, "too many domains");
    if (libxl_name_to_domid(x->ctx, s->name, &domid) == 0)
        return platform_fail(p, -EEXIST,
                             "a domain of this name (id %u) runs already, "
                             "started by another tool",
                             domid);
    int r = make_assignable(p, s);
    if (r < 0)
        return r;
    libxl_domain_config_init(&c);
    r = fill_config(x, s, &c);
    if (r < 0) {
        libxl_domain_config_dispose(&c);
        return platform_fail(p, r, "domain configuration");
    }
    domid = (uint32_t)INVALID_DOMID;
    int rc = libxl_domain_create_new(x->ctx, &c, &domid, NULL, NULL);
    libxl_domain_config_dispose(&c);
    if (rc != 0)
        return platform_fail(p, xl_errno(rc),
                             "libxl cannot create the domain (error %d; is "
                             "there enough free memory? see `xl info`)",
                             rc);
    x->domids[x->n++] = domid;
    *ret_domid = domid;
    return 0;
}

static int xen_unpause(struct platform *p, uint32_t domid)
{
    struct xen *x = p->priv;
    int rc = libxl_domain_unpause(x->ctx, domid, NULL);

    return rc ? platform_fail(p, xl_errno(rc), "unpause domain %u", domid) : 0;
}

static int xen_shutdown(struct platform *p, uint32_t domid)
{
    struct xen *x = p->priv;
    int rc = libxl_domain_shutdown(x->ctx, domid, NULL);

    return rc ? platform_fail(p, xl_errno(rc), "shut down domain %u", domid)
              : 0;
}

static int xen_destroy(struct platform *p, uint32_t domid)
{
    struct xen *x = p->priv;

    forget(x, domid);
    int rc = libxl_domain_destroy(x->ctx, domid, NULL);
    clean_domain(p, domid);
    if (rc != 0 && rc != ERROR_DOMAIN_NOTFOUND)
        return platform_fail(p, xl_errno(rc), "destroy domain %u", domid);
    return 0;
}

/* ---- network interfaces ---- */
static int xen_vif_attach(struct platform *p, const struct platform_vif *v)
{
    struct xen *x = p->priv;
    libxl_device_nic nic;

    libxl_device_nic_init(&nic);
    nic.backend_domid = v->backend;
    nic.devid = (libxl_devid)v->devid;
    memcpy(nic.mac, v->mac, sizeof(v->mac));
    nic.ip = strdup(v->ips);
    nic.nictype = LIBXL_NIC_TYPE_VIF;
    libxl_defbool_set(&nic.trusted, false);
    int rc = nic.ip ? libxl_device_nic_add(x->ctx, v->client, &nic, NULL)
                    : ERROR_NOMEM;
    libxl_device_nic_dispose(&nic);
    if (rc != 0)
        return platform_fail(p, xl_errno(rc),
                             "attach vif%u.%u to backend domain %u (does it "
                             "run vifd?)",
                             v->client, v->devid, v->backend);
    return 0;
}

static int xen_vif_detach(struct platform *p, const struct platform_vif *v)
{
    struct xen *x = p->priv;
    libxl_device_nic nic;

    libxl_device_nic_init(&nic);
    int rc = libxl_devid_to_device_nic(x->ctx, v->client, (int)v->devid, &nic);
    if (rc != 0) {
        libxl_device_nic_dispose(&nic);
        return 0; /* not there */
    }
    /* A backend that is gone would never answer: take it away by force. */
    bool alive = death_of(x, v->backend) == NULL;
    rc = alive ? libxl_device_nic_remove(x->ctx, v->client, &nic, NULL)
               : ERROR_FAIL;
    if (rc != 0)
        rc = libxl_device_nic_destroy(x->ctx, v->client, &nic, NULL);
    libxl_device_nic_dispose(&nic);
    return rc ? platform_fail(p, xl_errno(rc), "detach vif%u.%u", v->client,
                              v->devid)
              : 0;
}

/* ---- the rest ---- */
static int xen_console(struct platform *p, uint32_t domid)
{
    struct xen *x = p->priv;
    char *path = NULL;
    int rc =
        libxl_console_get_tty(x->ctx, domid, 0, LIBXL_CONSOLE_TYPE_PV, &path);

    if (rc != 0)
        return platform_fail(p, -ENODEV,
                             "no console of domain %u (does "
                             "xenconsoled run?)",
                             domid);
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    int r = fd < 0 ? platform_fail(p, err_last(), "%s", path) : fd;
    free(path);
    return r;
}

const struct platform_ops platform_xen = {
    .name = "xen",
    .body = "xen",
    .boot_ms = 120000, /* an emulated machine is slow */
    .ready_ms = 60000,
    .open = xen_open,
    .close = xen_close,
    .create = xen_create,
    .unpause = xen_unpause,
    .shutdown = xen_shutdown,
    .destroy = xen_destroy,
    .vif_attach = xen_vif_attach,
    .vif_detach = xen_vif_detach,
    .console = xen_console,
    .vchan_clean = xen_vchan_clean,
};
