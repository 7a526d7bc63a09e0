/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between manager.c and manager_config.c only. glue. */
#ifndef SQ_DOM0_MANAGER_IMPL_H
#define SQ_DOM0_MANAGER_IMPL_H

#include "dom0/manager.h"

/** Make @p now the configuration; qubes known by name keep their state.
 *  @param now  taken over and left empty, on success only
 *  @return 0; -ENOMEM */
int manager_take_config(struct manager *m, struct config *now);

#endif
