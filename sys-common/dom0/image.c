/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image store. effect. See image.h. */
#include "dom0/image.h"

#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "lib/parse.h"

const char *image_dir(const struct config_daemon *d, const char *name,
                      char buf[IMAGE_PATH_MAX])
{
    snprintf(buf, IMAGE_PATH_MAX, "%s/%s", d->images, name);
    return buf;
}

static int sha256_file(const char *path, uint64_t *ret_size,
                       char ret_hex[crypto_hash_sha256_BYTES * 2 + 1])
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state st;
    CLEANUP_FREE unsigned char *buf = malloc(1 << 16);
    uint64_t size = 0;
    ssize_t n;

    if (fd < 0)
        return err_last();
    if (!buf)
        return -ENOMEM;
    crypto_hash_sha256_init(&st);
    while ((n = read(fd, buf, 1 << 16)) > 0) {
        crypto_hash_sha256_update(&st, buf, (unsigned long long)n);
        size += (uint64_t)n;
    }
    if (n < 0)
        return err_last();
    crypto_hash_sha256_final(&st, sum);
    sodium_bin2hex(ret_hex, sizeof(sum) * 2 + 1, sum, sizeof(sum));
    *ret_size = size;
    return 0;
}

/* One file against its entry {"bytes": N, "sha256": "..."}. */
static int check_file(const char *dir, const char *leaf, json_t *entry,
                      char why[IMAGE_WHY_MAX])
{
    char path[IMAGE_PATH_MAX + 16];
    char hex[crypto_hash_sha256_BYTES * 2 + 1];
    const char *want = json_string_value(json_object_get(entry, "sha256"));
    json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
    uint64_t size;
    int r;

    snprintf(path, sizeof(path), "%s/%s", dir, leaf);
    if (!want || strlen(want) != sizeof(hex) - 1) {
        snprintf(why, IMAGE_WHY_MAX, "%s/manifest.json has no sha256 of %s",
                 dir, leaf);
        return -EBADMSG;
    }
    r = sha256_file(path, &size, hex);
    if (r) {
        snprintf(why, IMAGE_WHY_MAX, "%s: %s", path, err_text(r));
        return r;
    }
    if (size != (uint64_t)bytes || strcmp(hex, want)) {
        snprintf(why, IMAGE_WHY_MAX,
                 "%s differs from its manifest: found sha256 %.16s..., "
                 "expected %.16s...",
                 path, hex, want);
        return -EBADMSG;
    }
    return 0;
}

static int read_manifest(const char *dir, json_t **ret, char why[IMAGE_WHY_MAX])
{
    char path[IMAGE_PATH_MAX + 16];
    CLEANUP_FREE char *text = NULL;
    json_error_t err;
    size_t len;
    int r;

    snprintf(path, sizeof(path), "%s/manifest.json", dir);
    r = io_read_file(path, IMAGE_MANIFEST_MAX, &text, &len);
    if (r) {
        snprintf(why, IMAGE_WHY_MAX, "%s: %s", path, err_text(r));
        return r;
    }
    *ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
    if (!*ret) {
        snprintf(why, IMAGE_WHY_MAX, "%s:%d: %.60s", path, err.line, err.text);
        return -EBADMSG;
    }
    return 0;
}

static int check_manifest(const char *dir, char why[IMAGE_WHY_MAX])
{
    json_t *m = NULL;
    int r = read_manifest(dir, &m, why);

    if (r)
        return r;
    r = check_file(dir, "vmlinuz", json_object_get(m, "kernel"), why);
    r = r ? r
          : check_file(dir, "initramfs", json_object_get(m, "initramfs"), why);
    json_decref(m);
    return r;
}

int image_options(const struct config_daemon *d, const char *name,
                  char ret[IMAGE_OPTIONS_MAX])
{
    char dir[IMAGE_PATH_MAX], why[IMAGE_WHY_MAX];
    json_t *m = NULL;
    const char *v;
    int r;

    ret[0] = '\0';
    if (d->platform == CONFIG_NETNS)
        return 0;
    r = read_manifest(image_dir(d, name, dir), &m, why);
    if (r)
        return r == -ENOENT ? 0 : r;
    v = json_string_value(json_object_get(m, "cmdline"));
    if (v && !text_printable(text_of(v)))
        r = -EBADMSG;
    if (v && r == 0)
        r = text_copy(text_of(v), ret, IMAGE_OPTIONS_MAX) < 0 ? -EBADMSG : 0;
    json_decref(m);
    return r;
}

static int check_there(const char *dir, const char *leaf,
                       char why[IMAGE_WHY_MAX])
{
    char path[IMAGE_PATH_MAX + 16];
    int r;

    snprintf(path, sizeof(path), "%s/%s", dir, leaf);
    if (!access(path, R_OK))
        return 0;
    r = err_last();
    snprintf(why, IMAGE_WHY_MAX, "%s: %s", path, err_text(r));
    return r;
}

int image_there(const struct config_daemon *d, const char *name,
                char ret_why[IMAGE_WHY_MAX])
{
    char dir[IMAGE_PATH_MAX];
    int r;

    image_dir(d, name, dir);
    if (d->platform == CONFIG_NETNS)
        return check_there(dir, "root/init", ret_why);
    r = check_there(dir, "vmlinuz", ret_why);
    return r ? r : check_there(dir, "initramfs", ret_why);
}

int image_check(const struct config_daemon *d, const char *name,
                char ret_why[IMAGE_WHY_MAX])
{
    char dir[IMAGE_PATH_MAX];

    if (d->platform == CONFIG_NETNS || !d->check_images)
        return image_there(d, name, ret_why);
    return check_manifest(image_dir(d, name, dir), ret_why);
}

/* The first qube with the same image, whose result counts for all. */
static const struct config_qube *first_of(const struct config *c, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (!strcmp(c->qubes[k]->image, c->qubes[i]->image))
            return c->qubes[k];
    }
    return NULL;
}

int image_check_all(const struct config *c, struct problems *p)
{
    size_t before = problems_count(p);

    for (size_t i = 0; i < c->n; i++) {
        const struct config_qube *q = c->qubes[i];
        char why[IMAGE_WHY_MAX];

        if (q->image[0] && !first_of(c, i) && image_check(&c->d, q->image, why))
            problems_add(p, q->file, q->line[KEY_IMAGE],
                         "Image=%s: %s; expected an image of the image "
                         "builder",
                         q->image, why);
    }
    return problems_count(p) > before ? -EBADMSG : 0;
}
