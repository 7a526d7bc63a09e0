/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a qube is made of: the only door between the orchestrator and a
 * hypervisor (platform_xen.c) or the kernel's namespaces
 * (platform_netns.c); tests/mock has a body that only remembers. effect.
 * Calls may take the seconds a toolstack takes (on xen they block the
 * daemon); nothing here reads what a qube wrote but its console bytes, which
 * are passed on unread. */
#ifndef SQ_DOM0_PLATFORM_H
#define SQ_DOM0_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dom0/config.h"
#include "lib/loop.h"

#define PLATFORM_WHY_MAX 256
#define PLATFORM_IPS_MAX (2 * IPADDR_TEXT_MAX)

/** What a qube is to be made from; everything borrowed for the call. */
struct platform_spec {
    const char *name;
    enum qube_virt virt;
    uint32_t memory_mib;
    uint32_t vcpus;
    bool driver_domain; /* serves vifs to others */
    const struct pci_addr *pci;
    size_t n_pci;
    const char *image;   /* folder: vmlinuz, initramfs, root/ */
    const char *cmdline; /* kernel options, never empty */
    const char *uplink;  /* netns: file of a network namespace, or "" */
    const char *bridge;  /* netns: bridge in there, or "" */
};

struct platform_vif {
    uint32_t client;  /* domid */
    uint32_t backend; /* domid */
    uint32_t devid;
    uint8_t mac[6];             /* of the client's side */
    char ips[PLATFORM_IPS_MAX]; /* "IP4" or "IP4 IP6" */
};

/** A domain is gone (it has also been cleaned away already).
 *  @param why  static text, "powered off", "crashed", ... */
typedef void (*platform_died_cb)(uint32_t domid, const char *why, void *arg);

struct platform;

struct platform_ops {
    const char *name;
    const char *body;  /* of the worker's vchan: "xen" or "unix" */
    bool vif_keys;     /* a vif's identity is told by /sysqube-vif keys */
    uint32_t boot_ms;  /* created to connected; then the start failed */
    uint32_t ready_ms; /* running to serving; then a warning */
    /** Set up; p->priv is the body's. @return 0; -errno with p->why */
    int (*open)(struct platform *p);
    void (*close)(struct platform *p);
    /** Make a domain that does not run yet. @return 0; -errno with p->why,
     *  nothing is left then */
    int (*create)(struct platform *p, const struct platform_spec *s,
                  uint32_t *ret_domid);
    /** Let it run. @return 0; -errno with p->why */
    int (*unpause)(struct platform *p, uint32_t domid);
    /** Ask it to end in good order; died follows when it has.
     *  @return 0; -errno with p->why */
    int (*shutdown)(struct platform *p, uint32_t domid);
    /** End it now and clean away; no died follows. @return 0; -errno (the
     *  domain may then still be there) with p->why */
    int (*destroy)(struct platform *p, uint32_t domid);
    int (*vif_attach)(struct platform *p, const struct platform_vif *v);
    /** @return 0 also when it was not there */
    int (*vif_detach)(struct platform *p, const struct platform_vif *v);
    /** A descriptor to read and write the console.
     *  @return descriptor the caller closes; -errno with p->why */
    int (*console)(struct platform *p, uint32_t domid);
    /** Folder of the vchan sockets, for the worker; NULL where there is
     *  none. @return false: none for this domain */
    bool (*vchan_dir)(struct platform *p, uint32_t domid, char *ret,
                      size_t cap);
    /** Remove what a dead worker could not (xen: its xenstore nodes). */
    void (*vchan_clean)(struct platform *p, uint32_t domid);
    /** Process of PID 1 as this machine sees it, or 0; NULL
     *  where there is none */
    pid_t (*pid)(struct platform *p, uint32_t domid);
};

struct platform {
    const struct platform_ops *ops;
    struct loop *loop; /* borrowed */
    char run_dir[CONFIG_PATH_MAX];
    platform_died_cb died;
    void *arg;
    char why[PLATFORM_WHY_MAX]; /* text of the last error */
    void *priv;
};

extern const struct platform_ops platform_xen;
extern const struct platform_ops platform_netns;

/** @param ops  a body, borrowed for ever
 *  @param ret  platform_free(); written also on failure, so that why can be
 *              read, unless memory ran out
 *  @return 0; -errno; -ENOMEM with *ret = NULL */
int platform_new(const struct platform_ops *ops, struct loop *loop,
                 const char *run_dir, platform_died_cb died, void *arg,
                 struct platform **ret);
void platform_free(struct platform *p);

/** Keep the text of an error and give the error back. */
int platform_fail(struct platform *p, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
