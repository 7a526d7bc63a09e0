/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles: named rule lists that several qubes include, and the list of a
 * qube with its includes put in. pure. Fed by the administrator's files
 * (DIR/profiles/NAME.rules), which config_load.c reads. */
#ifndef SQ_DOM0_FW_PROFILE_H
#define SQ_DOM0_FW_PROFILE_H

#include "dom0/config.h"
#include "dom0/fw_items.h"

#define FW_PROFILES_MAX 256
#define FW_PROFILE_DEPTH 8 /* profiles within profiles */

struct fw_profile {
    char name[FW_PROFILE_NAME_MAX];
    char *file; /* owned */
    struct fw_items items;
};

/** Read a profile into the configuration.
 *  @param name  from the file's name, checked here
 *  @return 0, also with complaints; -ENOMEM */
int fw_profile_add(struct config *c, struct text data, const char *file,
                   const char *name, struct problems *p);
/** Forget all profiles of @p c. */
void fw_profiles_free(struct config *c);

/** Put the rules of the profiles into every qube's list, at the places of
 *  their includes. Missing and looping includes, lists that are too long and
 *  profiles that are wrong in themselves are complaints.
 *  @return 0, also with complaints; -ENOMEM */
int fw_profile_expand(struct config *c, struct problems *p);

/** Would this list do as a qube's? Complaints as of fw_profile_expand().
 *  @param file      where it was read, for complaints
 *  @param ret_keys  keys it makes, 0 when there were complaints; NULL is fine
 *  @return 0; -EBADMSG complaints were added; -ENOMEM */
int fw_profile_try(const struct config *c, const struct fw_items *items,
                   const char *file, size_t *ret_keys, struct problems *p);

/** The list of a qube as its file has it: rules and includes. Without a
 *  [Firewall] section it is one rule that accepts.
 *  @param ret       empty; fw_items_free() also on failure
 *  @param ret_from  NULL, or room for n + 1 numbers of rules, one for each
 *                   item: its first rule in the whole list, at the end the
 *                   number of all; malloc'ed, caller frees
 *  @return 0; -ENOMEM */
int fw_profile_items(const struct config_qube *q, struct fw_items *ret,
                     size_t **ret_from);

#endif
