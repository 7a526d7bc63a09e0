/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration from files. effect. See config_load.h. */
#include "dom0/config_load.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/fw_profile.h"
#include "dom0/image.h"
#include "dom0/plan.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define SUFFIX ".conf"
#define RULES_SUFFIX ".rules"
#define PATH_BYTES (CONFIG_PATH_MAX + 300)

int config_load_daemon(const char *dir, struct config_daemon *ret,
                       struct problems *p)
{
    char path[PATH_BYTES];
    CLEANUP_FREE char *data = NULL;
    size_t len;
    int r;

    config_daemon_defaults(ret);
    snprintf(path, sizeof(path), "%s/sysqube.conf", dir);
    r = io_read_file(path, CONFIG_FILE_MAX, &data, &len);
    if (r == -ENOENT)
        return 0;
    if (r) {
        problems_add(p, path, 0, "%s", err_text(r));
        return -EBADMSG;
    }
    return config_parse_daemon((struct text){data, len}, path, ret, p);
}

static int load_qube(struct config *c, const char *path, const char *name,
                     struct problems *p)
{
    CLEANUP_FREE char *data = NULL;
    struct config_qube *q;
    size_t len;
    int r = io_read_file(path, CONFIG_FILE_MAX, &data, &len);

    if (r) {
        problems_add(p, path, 0, "%s", err_text(r));
        return 0;
    }
    r = config_parse_qube((struct text){data, len}, path, name, &c->d, &q, p);
    if (r == -ENOMEM)
        return r;
    r = config_add(c, q);
    if (r)
        config_qube_free(q);
    if (r == -ENFILE) {
        problems_add(p, path, 0, "more than %d qubes", CONFIG_QUBES_MAX);
        return 0;
    }
    return r;
}

static int is_conf(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return e->d_name[0] != '.' && len > sizeof(SUFFIX) - 1 &&
           !strcmp(e->d_name + len - (sizeof(SUFFIX) - 1), SUFFIX);
}

static int load_qubes(struct config *c, struct problems *p)
{
    char dir[PATH_BYTES], path[PATH_BYTES + 300], name[256];
    struct dirent **list;
    int r = 0, n;

    snprintf(dir, sizeof(dir), "%s/qubes", c->dir);
    n = scandir(dir, &list, is_conf, alphasort);
    if (n < 0) {
        problems_add(p, dir, 0, "%s", err_text(err_last()));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        size_t len = strlen(list[i]->d_name) - (sizeof(SUFFIX) - 1);

        snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
        snprintf(name, sizeof(name), "%.*s", (int)len, list[i]->d_name);
        if (!r)
            r = load_qube(c, path, name, p);
        free(list[i]);
    }
    free(list);
    return r;
}

static int is_rules(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return e->d_name[0] != '.' && len > sizeof(RULES_SUFFIX) - 1 &&
           !strcmp(e->d_name + len - (sizeof(RULES_SUFFIX) - 1), RULES_SUFFIX);
}

static int load_profile(struct config *c, const char *path, const char *name,
                        struct problems *p)
{
    CLEANUP_FREE char *data = NULL;
    size_t len;
    int r = io_read_file(path, CONFIG_FILE_MAX, &data, &len);

    if (r) {
        problems_add(p, path, 0, "%s", err_text(r));
        return 0;
    }
    return fw_profile_add(c, (struct text){data, len}, path, name, p);
}

/* A missing folder is one without profiles. */
static int load_profiles(struct config *c, struct problems *p)
{
    char dir[PATH_BYTES], path[PATH_BYTES + 300], name[256];
    struct dirent **list;
    int r = 0, n;

    snprintf(dir, sizeof(dir), "%s/profiles", c->dir);
    n = scandir(dir, &list, is_rules, alphasort);
    if (n < 0 && errno == ENOENT)
        return 0;
    if (n < 0) {
        problems_add(p, dir, 0, "%s", err_text(err_last()));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        size_t len = strlen(list[i]->d_name) - (sizeof(RULES_SUFFIX) - 1);

        snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
        snprintf(name, sizeof(name), "%.*s", (int)len, list[i]->d_name);
        if (!r)
            r = load_profile(c, path, name, p);
        free(list[i]);
    }
    free(list);
    return r;
}

static int load_ids(const char *path, struct plan_ids *ret, struct problems *p)
{
    CLEANUP_FREE char *data = NULL;
    size_t len;
    int r = io_read_file(path, PLAN_IDS_FILE_MAX, &data, &len);

    if (r == -ENOENT)
        return 0;
    if (!r)
        r = plan_ids_parse((struct text){data, len}, ret);
    if (r && r != -ENOMEM) {
        problems_add(p, path, 0, "%s; expected lines NAME NUMBER, each once",
                     err_text(r));
        return 0;
    }
    return r;
}

static int save_ids_file(const struct config_daemon *d, const char *path,
                         const struct plan_ids *ids, struct problems *p)
{
    CLEANUP_FREE char *text = plan_ids_format(ids);
    int r;

    if (!text)
        return -ENOMEM;
    r = io_mkdirs(d->state_dir, 0755);
    r = r ? r : io_write_file(path, text, strlen(text), 0644);
    if (r)
        problems_add(p, path, 0, "%s", err_text(r));
    return 0;
}

static int resolve(struct config *c, bool save_ids, struct problems *p)
{
    char path[PATH_BYTES];
    struct plan_ids ids = {0};
    bool changed = false;
    int r;

    snprintf(path, sizeof(path), "%s/qids", c->d.state_dir);
    r = load_ids(path, &ids, p);
    if (!r)
        r = plan_resolve(c, &ids, &changed, p);
    if (r != -ENOMEM && changed && save_ids && !problems_count(p))
        r = save_ids_file(&c->d, path, &ids, p);
    plan_ids_free(&ids);
    return r;
}

int config_load(const char *dir, unsigned flags, struct config *ret,
                struct problems *p)
{
    size_t before = problems_count(p);
    int r;

    *ret = (struct config){0};
    snprintf(ret->dir, sizeof(ret->dir), "%s", dir);
    (void)config_load_daemon(dir, &ret->d, p);
    r = load_qubes(ret, p);
    r = r ? r : load_profiles(ret, p);
    r = r ? r : fw_profile_expand(ret, p);
    if (!r)
        r = resolve(ret, flags & CONFIG_LOAD_SAVE_IDS, p);
    if (r == -ENOMEM)
        return r;
    (void)config_check(ret, p);
    if (flags & CONFIG_LOAD_IMAGES)
        (void)image_check_all(ret, p);
    problems_sort(p);
    return problems_count(p) > before ? -EBADMSG : 0;
}
