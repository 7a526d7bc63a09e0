/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the configuration from its folder, and keeps qube numbers. effect
 * (files). Fed by the administrator's folder. */
#ifndef SQ_DOM0_CONFIG_LOAD_H
#define SQ_DOM0_CONFIG_LOAD_H

#include "dom0/config.h"

#define CONFIG_DIR "/etc/sysqube"

#define CONFIG_LOAD_SAVE_IDS 1u /* write newly given numbers to the state */
#define CONFIG_LOAD_IMAGES 2u   /* check the images too (reads all of them) */

/** Read DIR/sysqube.conf, DIR/qubes/NAME.conf and DIR/profiles/NAME.rules,
 *  put the profiles into the lists, resolve and check the
 *  whole. All complaints are collected.
 *  @param flags  CONFIG_LOAD_*
 *  @param ret    config_free(); also filled when there were complaints
 *  @return 0; -EBADMSG complaints were added; -ENOMEM */
int config_load(const char *dir, unsigned flags, struct config *ret,
                struct problems *p);

/** Only the daemon's file; a missing one gives the defaults. */
int config_load_daemon(const char *dir, struct config_daemon *ret,
                       struct problems *p);

#endif
