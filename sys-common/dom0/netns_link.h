/* SPDX-License-Identifier: GPL-2.0-or-later */
/* veth pairs between network namespaces, by rtnetlink. effect. Fed by the
 * netns platform's own names and addresses. */
#ifndef SQ_DOM0_NETNS_LINK_H
#define SQ_DOM0_NETNS_LINK_H

#include <stdint.h>

struct netns_end {
    int ns;             /* descriptor of the network namespace */
    const char *name;   /* at most 15 bytes */
    const uint8_t *mac; /* NULL: the kernel's choice */
};

/** Make a pair with each end in its namespace, both down.
 *  @return 0; -EEXIST a name is taken; -errno */
int netns_link_pair(const struct netns_end *a, const struct netns_end *b);

/** Remove an interface (a pair goes as a whole). @return 0, also when there
 *  is none; -errno */
int netns_link_del(int ns, const char *name);

/** Set an interface up and, if @p bridge is not empty, make it a port of
 *  that bridge. @return 0; -ENODEV; -errno */
int netns_link_up(int ns, const char *name, const char *bridge);

#endif
