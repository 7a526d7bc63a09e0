/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image store: is an image there and is it the one its manifest
 * describes? effect (reads files). Fed by the image store (trusted, but a
 * half-copied image must not start). Signatures come later. */
#ifndef SQ_DOM0_IMAGE_H
#define SQ_DOM0_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "dom0/config.h"

#define IMAGE_WHY_MAX 256
#define IMAGE_MANIFEST_MAX (4 << 20) /* bytes of manifest.json */
#define IMAGE_PATH_MAX (CONFIG_PATH_MAX + CONFIG_NAME_MAX + 2)

/** Folder of an image. @return buf */
const char *image_dir(const struct config_daemon *d, const char *name,
                      char buf[IMAGE_PATH_MAX]);

/** Xen: vmlinuz, initramfs and manifest.json are there, and sizes and
 *  sha256 agree (unless CheckImages=no). netns: root/init is there.
 *  @param ret_why  on failure a text for a person
 *  @return 0; -ENOENT; -EBADMSG manifest malformed or it differs; -errno */
int image_check(const struct config_daemon *d, const char *name,
                char ret_why[IMAGE_WHY_MAX]);

/** The files are there, whatever is in them. Parameters as image_check().
 *  @return 0; -errno */
int image_there(const struct config_daemon *d, const char *name,
                char ret_why[IMAGE_WHY_MAX]);

#define IMAGE_OPTIONS_MAX 256

/** Kernel options that the image wants, as its manifest names them. Empty
 *  where there is no manifest, and on netns.
 *  @return 0; -EBADMSG manifest malformed, or options that are too long or
 *  not printable; -errno. @p ret is empty then */
int image_options(const struct config_daemon *d, const char *name,
                  char ret[IMAGE_OPTIONS_MAX]);

/** image_check() for every qube, complaints with the line of Image=; each
 *  image is read once.
 *  @return 0; -EBADMSG */
int image_check_all(const struct config *c, struct problems *p);

#endif
