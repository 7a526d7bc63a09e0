/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule list as people keep it: rules, and lines that include a profile, in
 * order. pure. Fed by the administrator's text. The form of a line: a rule
 * as for the command line, or `include NAME`; blank lines and lines that
 * begin with '#' say nothing. */
#ifndef SQ_DOM0_FW_ITEMS_H
#define SQ_DOM0_FW_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/problems.h"
#include "lib/parse.h"
#include "rules/rule.h"

#define FW_ITEMS_MAX 4096 /* of one list; FW_RULES_MAX binds earlier */
#define FW_PROFILE_NAME_MAX 32
#define FW_ITEM_WORD "include"

struct fw_item {
    char include[FW_PROFILE_NAME_MAX]; /* name of a profile; "": the rule */
    struct fw_rule rule;
    unsigned line; /* where it was read; 0: nowhere. Not compared */
};

/** {0} is an empty list; fw_items_free() makes it empty again. */
struct fw_items {
    struct fw_item *v; /* owned */
    size_t n, cap;
};

/** Insert a copy before position @p at. @return 0; -ERANGE; -ENOBUFS the list
 *  is full; -ENOMEM */
int fw_items_insert(struct fw_items *l, size_t at, const struct fw_item *item);
/** A rule at the end. @return as fw_items_insert() */
int fw_items_add_rule(struct fw_items *l, const struct fw_rule *rule);
/** An include at the end. @return as fw_items_insert(); -ENOBUFS also for a
 *  name that is too long */
int fw_items_add_include(struct fw_items *l, struct text name);
/** @return 0; -ERANGE */
int fw_items_del(struct fw_items *l, size_t at);
bool fw_item_eq(const struct fw_item *a, const struct fw_item *b);
bool fw_items_eq(const struct fw_items *a, const struct fw_items *b);
void fw_items_free(struct fw_items *l);

/** Canonical text of an item, no newline. @param buf  FW_TEXT_MAX suffices
 *  @return length; -ENOBUFS */
int fw_item_format(const struct fw_item *item, char *buf, size_t cap);
/** The whole list, a line each; fw_items_parse() of it gives the same list.
 *  @return malloc'ed text, NULL: no memory */
char *fw_items_format(const struct fw_items *l);

/** A name as profiles have it: 1 to 31 of [A-Za-z0-9_-], a letter first.
 *  @return 0; -EBADMSG */
int fw_profile_name(struct text t);

/** Words of one item, as on a command line.
 *  @param ret_why  static text, written on failure
 *  @param ret_at   number of the word, from 1, written on failure
 *  @return 0; -EBADMSG */
int fw_item_parse_args(int argc, char *const argv[], uint64_t now_s,
                       struct fw_item *ret, const char **ret_why,
                       unsigned *ret_at);

/** Read a list. Every wrong line is a complaint with line and column.
 *  @param file   its name, for complaints
 *  @param now_s  expire=+SECONDS counts from here; 0: no such words
 *  @param ret    empty list; fw_items_free() also on failure
 *  @return 0; -EBADMSG complaints were added; -ENOMEM */
int fw_items_parse(struct text untrusted_data, const char *file, uint64_t now_s,
                   struct fw_items *ret, struct problems *p);

#endif
