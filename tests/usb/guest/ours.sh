# SPDX-License-Identifier: GPL-2.0-or-later
# Our processes in the USB guest: two VMs' worth of QubesDB, usb-broker on one
# side, sysqube-usb on the other, and dom0's keys by hand (glue; runs as part
# of PID 1). USBVM is domain 1, the qube domain 2.
export SYSQUBE_PLATFORM=netns
QA=/run/a/qubesdb.sock
QB=/run/b/qubesdb.sock
VPORT=2000

ours_start() {
    for vm in a b; do
        mkdir -p /run/$vm
        chmod 777 /run/$vm
    done
    mkdir -p /run/vchan
    qdbdom0 1 /run/a > /tmp/status-a &
    qdbdom0 2 /run/b > /tmp/status-b &
    qdbd --vchan-dir /run/a --run-dir /run/a > /tmp/qdbd-a 2>&1 &
    qdbd --vchan-dir /run/b --run-dir /run/b > /tmp/qdbd-b 2>&1 &
    until_true qdb -s $QA list /
    until_true qdb -s $QB list /
    broker_start
    client_start
}
broker_start() {
    usb-broker --qubesdb $QA --vchan-dir /run/vchan --self 1 \
        >> /tmp/broker 2>&1 &
}
client_start() {
    sysqube-usb --socket $QB --vchan-dir /run/vchan >> /tmp/client 2>&1 &
}

# ---- what the keys say ----
export_status() { qdb -s $QA read "/sysqube-status/usb-export/$1" 2>/dev/null; }
import_status() { qdb -s $QB read "/sysqube-status/usb-import/1-$1" 2>/dev/null; }
export_is() { [ "$(export_status "$1")" = "$2" ]; }
import_begins() { case $(import_status "$1") in "$2"*) ;; *) false ;; esac; }
dev_key() { qdb -s $QA read "/sysqube-status/usb-dev/$1" 2>/dev/null; }

# ---- what dom0 does ----
# ours_grant ID INTERFACES
ours_grant() {
    until_true export_is "$1" idle || return 1
    DEV=$(dev_key "$1")
    GEN=${DEV#gen=} GEN=${GEN%% *}
    SPEED=${DEV#*speed=} SPEED=${SPEED%% *}
    HASH=${DEV##*hash=}
    qdb -s $QA write "/sysqube-usb/grant/$1" \
        "client=2 vport=$VPORT gen=$GEN hash=$HASH interfaces=$2 ${MODE:-mode=raw}"
    until_true export_is "$1" waiting
}
# ours_attach ID [INTERFACES]
ours_attach() {
    ours_grant "$1" "${2:-all}" || return 1
    qdb -s $QB write "/sysqube-usb/attach/1-$1" "backend=1 vport=$VPORT\
 speed=$SPEED devid=$((65536 + VPORT)) hash=$HASH ${MODE:-mode=raw}"
    until_true import_begins "$1" attached && until_true export_is "$1" attached
}
# withdraw the keys, as dom0 does in every case
ours_withdraw() {
    qdb -s $QB rm "/sysqube-usb/attach/1-$1" 2>/dev/null
    qdb -s $QA rm "/sysqube-usb/grant/$1" 2>/dev/null
    VPORT=$((VPORT + 2))
}
ours_detach() {
    ours_withdraw "$1"
    until_true export_is "$1" idle
}
# The port id of the gadget
gadget_id() { d=$(device_of $DUMMY) && [ -n "$d" ] && basename "$d"; }
