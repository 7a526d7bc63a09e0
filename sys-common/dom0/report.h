/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon tells: status, keys and rules as JSON. pure
 * over the manager's state. Values from VMs are printable ASCII already
 * (checked records). USB devices are usb_report.h. */
#ifndef SQ_DOM0_REPORT_H
#define SQ_DOM0_REPORT_H

#include <jansson.h>

#include "dom0/manager.h"

/** {"platform":..., "qubes":[...]}. NULL: out of memory, as all below. */
json_t *report_status(const struct manager *m);
/** {"desired":{path:value}, "status":{path:value}} */
json_t *report_keys(const struct manager *m, size_t index);
/** [{"number":N, "rule":text, ...fields}]: the rules as stored; a missing
 *  section is one rule that accepts, with "implicit": true. */
json_t *report_rules(const struct config_qube *q);
/** The list as stored: a line for each rule and each include, as
 *  `firewall apply` reads it. */
json_t *report_stored(const struct config_qube *q);
/** {"error":{...}}; empty texts become null. */
json_t *report_error(const struct manager_error *e);
/** {"error":{..., "problems":[{file,line,column,message}]}}
 *  @param e  what they are about; NULL, or without a step: the configuration
 */
json_t *report_problems(const struct problems *p,
                        const struct manager_error *e);

#endif
