# SPDX-License-Identifier: GPL-2.0-or-later
# init: PID 1 of every appliance, and its tests.

$(eval $(call library,init,sys-common/init/svc_table.c \
  sys-common/init/svc_plan.c sys-common/init/svc_log.c))
$(eval $(call program,init,sys-common/init/init.c \
  sys-common/init/init_mount.c sys-common/init/init_xen.c \
  sys-common/init/svc_run.c,init lib,-lxenstore -levent_core -lcap-ng))
$(eval $(call unit_test,test_init_table,tests/unit/test_init_table.c,init lib))
$(eval $(call unit_test,test_init_plan,tests/unit/test_init_plan.c,init lib))
$(eval $(call unit_test,test_init_log,tests/unit/test_init_log.c,init lib))
$(eval $(call fuzz_target,fuzz_services,tests/fuzz/fuzz_services.c,init lib))
