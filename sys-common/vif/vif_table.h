/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vifs that exist or should, and how they are brought from what was done
 * to what is wanted. effect: drives vif_nft, vif_apply and the source; every
 * decision comes from vif_plan and vif_facts. Fed by vifd.c. Knows no
 * QubesDB: status texts are handed out. */
#ifndef SQ_VIF_VIF_TABLE_H
#define SQ_VIF_VIF_TABLE_H

#include "vif/vif_facts.h"
#include "vif/vif_link.h"
#include "vif/vif_nft.h"
#include "vif/vif_source.h"

#define VIF_TABLE_MAX 128 /* vifs at a time */
#define VIF_STATUS_MAX 96

struct vif_table;

/** New status of a vif; NULL: it has gone, so has its status. */
typedef void (*vif_table_status_cb)(const struct vif_ident *id,
                                    const char *status, void *arg);

/** All pointers are borrowed for the table's life.
 *  @param ret  freed by vif_table_free() (NULL is fine). @return 0; -ENOMEM */
int vif_table_new(struct vif_link *link, struct vif_nft *nft,
                  struct vif_source *source, vif_table_status_cb status,
                  void *arg, struct vif_table **ret);
void vif_table_free(struct vif_table *t);

/** Look at links and identities and do what the facts ask for.
 *  First of all, and again after any refused batch, the nftables table is
 *  made anew with the elements of exactly the vifs that may be connected;
 *  forwarding is switched on only after that, and vif links nobody may use
 *  are set down and emptied.
 *  A vif is connected in the order of vif_plan_build(); if a step fails,
 *  all of that vif is undone again and its status says so.
 *  @param f  clients are added to it
 *  @return 0; -EAGAIN something failed (already logged): call again in a
 *  second */
int vif_table_converge(struct vif_table *t, struct vif_facts *f);

#endif
