/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rewriting the [Firewall] section or one value of a qube's file, every other
 * line and comment kept. pure, text to text. Fed by the administrator's file
 * and by rules that were parsed. The file is the one store of rules. */
#ifndef SQ_DOM0_SECTION_H
#define SQ_DOM0_SECTION_H

#include <stddef.h>

#include "dom0/fw_items.h"
#include "lib/parse.h"

/** The text with its Rule= and Include= lines replaced.
 *  Where a rule or include was already there (compared by value) its line stays
 * byte for byte, with the comment lines above it. A missing section is added at
 *  the end; several [Firewall] sections become one, at the first's place.
 *  @param items    new list; NULL removes the section with its rules (its
 *                  comment lines stay), which means: accept all
 *  @param ret      malloc'ed, NUL terminated; caller frees
 *  @param ret_len  bytes without the NUL; may be NULL
 *  @return 0; -ENOMEM; -ENOBUFS the text would pass CONFIG_FILE_MAX */
int section_rewrite(struct text file, const struct fw_items *items, char **ret,
                    size_t *ret_len);

/** The text with one value of a section replaced: the line of the key that is
 *  there, else a new line behind the last one of the section with a key, else
 *  a new section at the end.
 *  @param section  as "[Qube]"
 *  @param ret      as of section_rewrite()
 *  @return 0; -ENOMEM; -ENOBUFS the text would pass CONFIG_FILE_MAX */
int section_set(struct text file, const char *section, const char *key,
                const char *value, char **ret, size_t *ret_len);

#endif
