/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files manager*.c only. glue. */
#ifndef SQ_DOM0_MANAGER_IMPL_H
#define SQ_DOM0_MANAGER_IMPL_H

#include "dom0/manager.h"

/** Make @p now the configuration; qubes known by name keep their state.
 *  @param now  taken over and left empty, on success only
 *  @return 0; -ENOMEM */
int manager_take_config(struct manager *m, struct config *now);

/** Plug a qube into its netvm, if it has one. @return 0; -errno with the
 *  platform's why */
int manager_vif_attach(struct manager *m, size_t index);
/** Unplug it, if it is plugged in. */
void manager_vif_detach(struct manager *m, size_t index);
/** Unplug all that hang on a qube. */
void manager_vif_detach_clients(struct manager *m, size_t index);

/** Does the netvm report a list of this qube that is not the last one
 *  written? Then it is plugged in later, by manager_vif_converge(). */
bool manager_vif_must_wait(const struct manager *m, size_t index);

/** Plug in every running qube whose netvm runs and has reported its list. */
void manager_vif_converge(struct manager *m);

/** End the watching of counters when nobody has asked for a while. */
void manager_unwatch_due(struct manager *m);

#endif
