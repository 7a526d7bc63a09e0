/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the three files of names.h share: names.c (who wants what), names_ask.c
 * (questions, answers, time) and names_tell.c (what has changed). pure. */
#ifndef SQ_FIREWALLVM_NAMES_IMPL_H
#define SQ_FIREWALLVM_NAMES_IMPL_H

#include <sys/socket.h>

#include "firewallvm/names.h"

/* Index of uses and marks by action. */
#define NAMES_ACCEPT 0
#define NAMES_DROP 1
#define NAMES_FOUR 0
#define NAMES_SIX 1

struct names_addr {
    struct ipaddr a;
    uint64_t until_ms; /* an accept rule's set holds it before this */
    bool fresh;        /* the last good answer had it */
    bool held;         /* an accept rule's set was told of it */
};

/** A name's addresses of one family. */
struct names_family {
    uint16_t uses[2]; /* rules */
    bool live;        /* set up for its first use */
    bool known;       /* was resolved once */
    bool failing;     /* the last answer was none */
    bool asked;       /* a question is open: due_ms ends the patience */
    bool dirty[2];    /* the set has changed */
    uint32_t serial;  /* of the open question */
    uint32_t fails;   /* in a row */
    uint64_t due_ms;
    unsigned n, cap;
    struct names_addr *v;
};

struct names_entry {
    bool used, wild;
    struct ipaddr owner;    /* source of a wildcard, else family 0 */
    char text[FW_NAME_MAX]; /* no final dot; a wildcard without "*." */
    struct names_family f[2];
};

/** One rule with a name. */
struct names_one_use {
    struct ipaddr source;
    unsigned number;
    uint16_t name;  /* index of the entry */
    uint8_t action; /* NAMES_ACCEPT, NAMES_DROP */
    bool seen;      /* said since names_begin() */
    bool relist;    /* NAMES_LIST is to be told */
    bool tell;      /* NAMES_STATUS is to be told */
};

struct names {
    struct names_config config;
    bool blind; /* no answer on its way is seen */
    uint32_t serial;
    size_t top; /* entries that were ever used */
    struct names_entry v[NAMES_MAX];
    size_t n_uses, cap_uses;
    struct names_one_use *uses; /* by source and number */
};

/** AF_INET or AF_INET6 to NAMES_FOUR or NAMES_SIX, and back. */
static inline unsigned names_index(uint8_t family)
{
    return family == AF_INET6 ? NAMES_SIX : NAMES_FOUR;
}

/** The use of a rule. @return it, or NULL */
struct names_one_use *names_find_use(const struct names *n,
                                     const struct ipaddr *source,
                                     unsigned number);
/** The family state a use stands for. */
struct names_family *names_family_of(const struct names *n,
                                     const struct names_one_use *use);
/** Mark every rule of a name and family: its status changed, and perhaps
 *  its list has to be sent again (drop rules only). */
void names_mark(struct names *n, const struct names_family *f, bool relist);
/** The family state behind a handle, and its action.
 *  @return NULL for a handle that is not in use */
struct names_family *names_of_set(const struct names *n, unsigned set,
                                  unsigned *ret_action, bool *ret_wild);

#endif
