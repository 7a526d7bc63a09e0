/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A platform that only remembers what it was asked (platform.h), and fails
 * where a test says. Domids count from 1. pure (memory only). */
#ifndef SQ_MOCK_PLATFORM_FAKE_H
#define SQ_MOCK_PLATFORM_FAKE_H

#include "dom0/platform.h"

enum fake_call { FAKE_NONE, FAKE_CREATE, FAKE_UNPAUSE, FAKE_ATTACH };

struct fake {
    char log[8192]; /* "create sys-net 1\n..." */
    size_t n;
    enum fake_call fail; /* this call fails */
    const char *fail_at; /* for this qube's name */
    bool stubborn;       /* shutdown is ignored */
    unsigned alive;      /* domains */
    unsigned vifs;       /* attached */
    struct {
        bool there;
        char name[CONFIG_NAME_MAX];
    } dom[64];
    struct platform *p;
};

/** The one fake; reset it before each test. */
extern struct fake fake;
extern const struct platform_ops platform_fake;

/** Let a domain die by itself. */
void fake_die(uint32_t domid, const char *why);

#endif
