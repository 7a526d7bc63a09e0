/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the two halves of the configuration parser only: config.c takes
 * lines apart, config_value.c knows the keys and their values. pure. */
#ifndef SQ_DOM0_CONFIG_IMPL_H
#define SQ_DOM0_CONFIG_IMPL_H

#include "dom0/config.h"

struct parser;

/* One known key: where it stands, how its value is taken, what to say. */
struct key_def {
    const char *section;
    const char *name;
    bool repeat;
    int (*set)(struct parser *ps, struct text v);
    enum config_key key; /* of a qube; KEY_COUNT for the daemon */
    const char *want;
};

struct parser {
    const char *p; /* next byte of the file */
    size_t left;
    unsigned line;
    const char *file;
    char section[CONFIG_LINE_MAX];
    bool section_known;
    bool failed; /* out of memory */
    const struct key_def *keys;
    size_t n_keys;
    unsigned seen[KEY_COUNT + 16]; /* line of the first use, per table row */
    struct config_qube *q;
    struct config_daemon *d;
    struct problems *out;
    size_t before;
};

/** Values of [Firewall] that are no rules (config_firewall.c). @return 0;
 *  -EBADMSG; -ENOBUFS too many */
int config_set_flows(struct parser *ps, struct text v);
int config_set_rate(struct parser *ps, struct text v);
int config_set_burst(struct parser *ps, struct text v);
int config_set_bandwidth(struct parser *ps, struct text v);
int config_set_quota(struct parser *ps, struct text v);
int config_set_names(struct parser *ps, struct text v);
int config_set_forward(struct parser *ps, struct text v);
int config_set_reach(struct parser *ps, struct text v);

/** All keys of a qube's file and of the daemon's file, by section. */
extern const struct key_def config_qube_keys[];
extern const size_t config_qube_keys_n;
extern const struct key_def config_daemon_keys[];
extern const size_t config_daemon_keys_n;

#endif
