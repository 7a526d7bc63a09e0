/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life of the qubes. glue. See manager.h. */
#include "dom0/manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dom0/config_load.h"
#include "dom0/image.h"
#include "dom0/manager_impl.h"
#include "dom0/usb_world.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

static void set_state(struct qube *q, enum qube_state s)
{
    q->state = s;
    q->since_ms = io_now_ms();
}

/* Every change ends in one turn of the loop of its own, so that callbacks
 * never call each other. */
static void touch(struct manager *m)
{
    (void)loop_timer_start(m->tick, 0);
}

/* ---- start, and its undoing ---- */

static void fail_start(struct manager *m, size_t index, const char *step,
                       const char *message, const char *hint)
{
    struct qube *q = m->qubes[index];

    snprintf(q->error.qube, sizeof(q->error.qube), "%s",
             m->cfg.qubes[index]->name);
    q->error.step = step;
    snprintf(q->error.message, sizeof(q->error.message), "%s", message);
    snprintf(q->error.hint, sizeof(q->error.hint), "%s", hint);
    log_err("%s: start failed at step '%s': %s", q->error.qube, step, message);
}

/* The domain is gone: nothing of it may stay in force. */
static void clean_up(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];

    manager_vif_detach_clients(m, index);
    manager_vif_detach(m, index);
    worker_free(q->worker);
    q->worker = NULL;
    q->has_domid = q->active = q->vif_failed = false;
    q->domid = 0;
    manager_update(m);
    touch(m);
}

void manager_kill(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];
    uint32_t domid = q->domid;
    bool had = q->has_domid;

    if (!had && !q->active)
        return;
    manager_vif_detach_clients(m, index);
    manager_vif_detach(m, index);
    if (had && m->platform->ops->destroy(m->platform, domid))
        log_err("%s: %s", m->cfg.qubes[index]->name, m->platform->why);
    if (had)
        m->platform->ops->vchan_clean(m->platform, domid);
    clean_up(m, index);
    set_state(q, QUBE_OFF);
    q->died = "ended";
}

static void undo(struct manager *m, size_t index)
{
    manager_kill(m, index);
    set_state(m->qubes[index], QUBE_FAILED);
    m->qubes[index]->died = NULL;
    touch(m);
}

static void on_worker(void *arg)
{
    const struct qube *q = arg;

    touch(q->m);
}

static void on_worker_clean(void *arg)
{
    const struct qube *q = arg;

    if (q->has_domid)
        q->m->platform->ops->vchan_clean(q->m->platform, q->domid);
}

static int start_worker(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];
    char dir[CONFIG_PATH_MAX + 64], root[CONFIG_PATH_MAX + 64];
    struct worker_args a = {.exe = m->cfg.d.worker,
                            .name = m->cfg.qubes[index]->name,
                            .domid = q->domid,
                            .body = m->platform->ops->body,
                            .root = root,
                            .changed = on_worker,
                            .clean = on_worker_clean,
                            .arg = q};
    int r;

    snprintf(root, sizeof(root), "%s/empty", m->cfg.d.run_dir);
    r = io_mkdirs(root, 0555);
    if (r)
        return r;
    if (m->platform->ops->vchan_dir &&
        m->platform->ops->vchan_dir(m->platform, q->domid, dir, sizeof(dir)))
        a.dir = dir;
    return worker_new(m->loop, &a, &q->worker);
}

/* init reads its console and the network its options from here; never
 * empty (spec/qubes-integration.md, "Kernel hand-over"). A kernel that
 * panics waits a second: at its reboot the domain is destroyed, and what
 * xenconsoled has not read of its last words by then is lost. */
static int make_cmdline(const struct manager *m, const struct config_qube *c,
                        char *buf, size_t cap)
{
    char image[IMAGE_OPTIONS_MAX];
    int r = image_options(&m->cfg.d, c->image, image);

    if (r < 0)
        return r;
    snprintf(buf, cap, "console=hvc0 quiet panic=1%s%s%s%s",
             image[0] ? " " : "", image, c->kernel_options[0] ? " " : "",
             c->kernel_options);
    return 0;
}

static int create(struct manager *m, size_t index)
{
    const struct config_qube *c = m->cfg.qubes[index];
    char image[IMAGE_PATH_MAX],
        cmdline[CONFIG_TEXT_MAX + IMAGE_OPTIONS_MAX + 64];
    struct platform_spec s = {.name = c->name,
                              .virt = c->virt,
                              .memory_mib = c->memory_mib,
                              .vcpus = c->vcpus,
                              .driver_domain = config_provides(c),
                              .pci = c->pci,
                              .n_pci = c->n_pci,
                              .image = image,
                              .cmdline = cmdline,
                              .uplink = c->ns_uplink,
                              .bridge = c->ns_bridge};
    int r;

    image_dir(&m->cfg.d, c->image, image);
    r = make_cmdline(m, c, cmdline, sizeof(cmdline));
    if (r)
        return r;
    r = m->platform->ops->create(m->platform, &s, &m->qubes[index]->domid);
    m->qubes[index]->has_domid = !r;
    return r;
}

/* Each step in order; the first that fails is named and all is undone. */
static int run_steps(struct manager *m, size_t index, const char **ret_step,
                     char why[512])
{
    struct qube *q = m->qubes[index];
    char text[IMAGE_WHY_MAX];
    int r;

    *ret_step = "find the image";
    r = image_there(&m->cfg.d, m->cfg.qubes[index]->image, text);
    if (r) {
        snprintf(why, 512, "%s", text);
        return r;
    }
    *ret_step = "find its required USB devices";
    r = usb_world_missing(m, index, why);
    if (r)
        return r;
    /* its rules are in the netvm before the domain exists */
    q->active = true;
    manager_update(m);
    *ret_step = "create the domain";
    r = create(m, index);
    if (r) {
        snprintf(why, 512, "%s", m->platform->why);
        return r;
    }
    *ret_step = "start the QubesDB worker";
    r = start_worker(m, index);
    if (r) {
        snprintf(why, 512, "%s: %s", m->cfg.d.worker, err_text(r));
        return r;
    }
    manager_update(m);
    *ret_step = "attach the network interface";
    r = manager_vif_must_wait(m, index) ? 0 : manager_vif_attach(m, index);
    if (!r) {
        *ret_step = "let the domain run";
        r = m->platform->ops->unpause(m->platform, q->domid);
    }
    if (r)
        snprintf(why, 512, "%s", m->platform->why);
    return r;
}

int manager_start(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];
    const char *step = "";
    char why[512] = "";
    int r;

    if (manager_is_up(q))
        return 0;
    q->error = (struct manager_error){0};
    q->died = NULL;
    q->vif_failed = false;
    q->restart_at_ms = 0;
    r = run_steps(m, index, &step, why);
    if (r) {
        fail_start(m, index, step, why, "mend the cause, then run: sysqube up");
        undo(m, index);
        return r;
    }
    set_state(q, QUBE_STARTING);
    touch(m);
    return 0;
}

int manager_stop(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];
    enum qube_state was;
    int r;

    manager_no_restart(m, index);
    if (!q->has_domid || q->state == QUBE_STOPPING)
        return 0;
    was = q->state;
    set_state(q, QUBE_STOPPING); /* before it can be found dead */
    r = m->platform->ops->shutdown(m->platform, q->domid);
    if (r)
        set_state(q, was);
    touch(m);
    return r;
}

/* ---- starting again what died by itself ---- */

static bool wants_restart(const struct config_qube *c)
{
    return c->restart == CONFIG_UNSET ? c->kind != KIND_QUBE
                                      : c->restart == CONFIG_YES;
}

void manager_no_restart(struct manager *m, size_t index)
{
    m->qubes[index]->restart_at_ms = 0;
    m->qubes[index]->restarts = 0;
}

/* Sooner after a long life than after a short one: a qube that dies in its
 * boot must not keep the machine busy. */
static void restart_later(struct manager *m, size_t index, uint64_t lived_ms)
{
    struct qube *q = m->qubes[index];
    uint64_t wait_ms = MANAGER_RESTART_MS;

    if (!wants_restart(m->cfg.qubes[index]))
        return;
    if (lived_ms >= MANAGER_RESTART_MAX_MS)
        q->restarts = 0;
    for (unsigned i = 0; i < q->restarts && wait_ms < MANAGER_RESTART_MAX_MS;
         i++)
        wait_ms *= 2;
    if (wait_ms > MANAGER_RESTART_MAX_MS)
        wait_ms = MANAGER_RESTART_MAX_MS;
    q->restarts++;
    q->restart_at_ms = io_now_ms() + wait_ms;
    log_info("%s: it is started again in %.1f s", m->cfg.qubes[index]->name,
             (double)wait_ms / 1000.0);
}

static void restart_due(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];
    int up = manager_netvm(m, index);

    if (!q->restart_at_ms || io_now_ms() < q->restart_at_ms ||
        (up >= 0 && m->qubes[up]->state != QUBE_RUNNING))
        return;
    q->restarts_total++;
    if (manager_start(m, index))
        restart_later(m, index, 0);
}

static void on_died(uint32_t domid, const char *why, void *arg)
{
    struct manager *m = arg;

    for (size_t i = 0; i < m->cfg.n; i++) {
        struct qube *q = m->qubes[i];
        bool starting = q->state == QUBE_STARTING;
        uint64_t lived_ms = io_now_ms() - q->since_ms;

        if (!q->has_domid || q->domid != domid)
            continue;
        log_info("%s: domain %u %s", m->cfg.qubes[i]->name, domid, why);
        if (q->state == QUBE_RUNNING)
            restart_later(m, i, lived_ms);
        else if (starting && q->restarts > 0)
            restart_later(m, i, 0);
        clean_up(m, i);
        set_state(q, starting ? QUBE_FAILED : QUBE_OFF);
        q->died = why;
        if (starting)
            fail_start(m, i, "boot", why, "see its console log");
    }
}

/* ---- the turn ---- */

static void check_boot(struct manager *m, size_t index)
{
    struct qube *q = m->qubes[index];
    char why[256];

    if (q->state != QUBE_STARTING)
        return;
    if (worker_connected(q->worker)) {
        set_state(q, QUBE_RUNNING);
        log_info("%s: running as domain %u", m->cfg.qubes[index]->name,
                 q->domid);
        return;
    }
    if (io_now_ms() - q->since_ms < m->platform->ops->boot_ms)
        return;
    snprintf(
        why, sizeof(why), "it did not connect to its QubesDB within %u s%s%s",
        m->platform->ops->boot_ms / 1000,
        worker_trouble(q->worker)[0] ? ": " : "", worker_trouble(q->worker));
    fail_start(m, index, "boot", why, "see its console log");
    undo(m, index);
    if (q->restarts > 0)
        restart_later(m, index, 0);
}

static void on_tick(void *arg)
{
    struct manager *m = arg;

    for (size_t i = 0; i < m->cfg.n; i++)
        check_boot(m, i);
    for (size_t i = 0; i < m->cfg.n; i++)
        restart_due(m, i);
    if (m->next_expiry_s && (uint64_t)time(NULL) >= m->next_expiry_s)
        manager_update(m);
    manager_unwatch_due(m);
    manager_vif_converge(m);
    manager_usb_step(m);
    (void)loop_timer_start(m->tick, 500);
    m->changed(m->arg);
}

/* ---- all of it ---- */

int manager_new(struct loop *loop, const char *dir,
                const struct platform_ops *const *bodies, struct problems *p,
                struct manager_error *err, struct manager **ret)
{
    struct manager *m = calloc(1, sizeof(*m));
    struct config now;
    int r;

    if (!m)
        return -ENOMEM;
    m->loop = loop;
    r = config_load(dir, CONFIG_LOAD_SAVE_IDS | CONFIG_LOAD_IMAGES, &now, p);
    r = r ? r : manager_take_config(m, &now);
    config_free(&now);
    r = r ? r : loop_timer_new(loop, on_tick, m, &m->tick);
    r = r ? r : usb_plan_new(&m->usb);
    if (r) {
        manager_free(m);
        return r;
    }
    while (*bodies &&
           strcmp((*bodies)->name, config_platform_name(m->cfg.d.platform)))
        bodies++;
    r = !*bodies ? -EOPNOTSUPP
                 : platform_new(*bodies, loop, m->cfg.d.run_dir, on_died, m,
                                &m->platform);
    if (r) {
        err->step = "open the platform";
        snprintf(err->message, sizeof(err->message), "platform %s: %s",
                 config_platform_name(m->cfg.d.platform),
                 m->platform ? m->platform->why : err_text(r));
        manager_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

void manager_free(struct manager *m)
{
    if (!m)
        return;
    for (size_t i = m->cfg.n; i > 0; i--)
        manager_kill(m, i - 1);
    for (size_t i = 0; i < m->cfg.n; i++)
        free(m->qubes[i]);
    free(m->qubes);
    config_free(&m->cfg);
    loop_timer_free(m->tick);
    usb_plan_free(m->usb);
    platform_free(m->platform);
    free(m);
}
