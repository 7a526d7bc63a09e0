/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State and counters in the text format that Prometheus reads. pure over the
 * manager's state. Fed by VMs where it counts (fw_stats.h); names of qubes
 * need no quoting (parse_qube_name()). */
#ifndef SQ_DOM0_METRICS_H
#define SQ_DOM0_METRICS_H

#include "dom0/manager.h"

#define METRICS_RULES_MAX 512 /* of one qube; of more nothing is counted */

/** @return malloc'ed text; NULL: no memory */
char *metrics_text(const struct manager *m);

#endif
