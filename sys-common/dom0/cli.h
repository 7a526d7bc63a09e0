/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How answers of sysqubed are shown to a person. effect (standard output).
 * Fed by sysqubed; texts that began in a VM are cleaned by the table. */
#ifndef SQ_DOM0_CLI_H
#define SQ_DOM0_CLI_H

#include <jansson.h>
#include <stddef.h>

#include "dom0/problems.h"

enum cli_exit { CLI_FAILED = 1, CLI_USAGE = 2, CLI_NO_DAEMON = 3 };

/** The whole answer as indented JSON. */
void cli_show_json(const json_t *answer);
/** {"error":{"qube","step","message","hint"}} on standard error. */
void cli_show_error(const json_t *answer);
/** "warnings":[text] and "message":text, when there are any. */
void cli_show_done(const json_t *answer);
void cli_show_status(const json_t *answer);
void cli_show_rules(const json_t *answer);
void cli_show_rules_raw(const json_t *answer);
void cli_show_usb(const json_t *answer);

/** Every complaint about the configuration, or that there are none.
 *  @param qubes  how many qubes it describes */
void cli_show_problems(const struct problems *p, size_t qubes);
void cli_show_problems_json(const struct problems *p);

#endif
