/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qdbdom0: dom0's end of one QubesDB for the USB guest: runs sysqube-qdb with
 * an empty desired state, so that the qdbd it belongs to answers its local
 * clients, and prints what that VM reports. Test tool. Fed by sysqube-qdb.
 * usage: qdbdom0 DOMID DIR */
#include <poll.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/privsep.h"
#include "qubesdb/qdb_record.h"

#define WORKER "/usr/bin/sysqube-qdb"

static void print(const struct qdb_rec_up *rec)
{
    if (rec->type == QDB_REC_STATUS)
        printf("%s = %s\n", rec->path, rec->value);
    else if (rec->type == QDB_REC_STATUS_RM)
        printf("%s -\n", rec->path);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char uid[] = "64000", name[] = "sysqube-qdb", domid[] = "--domid";
    char body[] = "--body", unix_body[] = "unix", dir[] = "--dir";
    char uid_arg[] = "--uid";
    struct qdb_rec_down down;
    struct qdb_rec_up up;
    pid_t pid;
    int fd, r;

    if (argc != 3)
        return 2;
    char *const args[] = {name, domid,   argv[1], body, unix_body,
                          dir,  argv[2], uid_arg, uid,  NULL};
    r = privsep_spawn(WORKER, args, &fd, &pid);
    qdb_rec_down_plain(&down, QDB_REC_SYNCED);
    if (r == 0)
        r = privsep_send(fd, &down, sizeof(down));
    while (r == 0 || r == -EAGAIN) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, -1);
        r = privsep_recv(fd, &up, sizeof(up));
        if (r == 0 && qdb_rec_up_check(&up) == 0)
            print(&up);
    }
    fprintf(stderr, "qdbdom0: %s\n", err_text(r));
    return 1;
}
