/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between manager.c, manager_config.c and manager_vif.c only. glue. */
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

/** Does the netvm still report a list of this qube, which is not active?
 *  Then it is held back: see manager_vif_converge(). */
bool manager_vif_must_wait(const struct manager *m, size_t index);

/** Begin the move of a running qube that has, or will have, another netvm or
 *  other addresses: it is unplugged, and nothing of it shall be in force any
 *  more. Call it while the configuration is still the old one; when the new
 *  one was taken and manager_update() was called, manager_vif_converge()
 *  does the rest. */
void manager_vif_hold(struct manager *m, size_t index);

/** Bring every running qube's interface to where it belongs, as far as its
 *  netvm allows now: a moved qube gets its list when the netvm has no older
 *  one of it, and is plugged in when the netvm has reported that list. */
void manager_vif_converge(struct manager *m);

#endif
