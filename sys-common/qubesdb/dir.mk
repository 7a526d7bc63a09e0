# SPDX-License-Identifier: GPL-2.0-or-later
# sys-common/qubesdb: the key/value channel between dom0 and a qube.
$(eval $(call library,qubesdb,$(addprefix sys-common/qubesdb/,qdb_msg.c \
  qdb_record.c qdb_client.c qdb_store.c qdb_link.c qdb_worker.c \
  qdb_replica.c qdb_local.c qdb_pump.c qdb_meminfo.c)))

$(eval $(call program,qdbd,sys-common/qubesdb/qdbd.c,qubesdb vchan lib,\
  $(VCHAN_LIBS) $(LIB_LIBS)))
$(eval $(call program,sysqube-qdb,sys-common/qubesdb/sysqube_qdb.c,\
  qubesdb vchan lib,$(VCHAN_LIBS) $(LIB_LIBS)))
$(eval $(call program,qdb,sys-common/qubesdb/qdb.c,qubesdb lib,))

$(eval $(call unit_test,test_qdb_e2e,tests/unit/test_qdb_e2e.c,qubesdb lib,\
  $(LIB_LIBS)))
$(BUILD)/test/test_qdb_e2e: | $(addprefix $(BUILD)/bin/,qdbd sysqube-qdb qdb)

$(foreach t,msg store record worker local client,$(eval $(call unit_test,test_qdb_$(t),\
  tests/unit/test_qdb_$(t).c,qubesdb lib,)))

$(foreach f,msg record,$(eval $(call fuzz_target,fuzz_qdb_$(f),\
  tests/fuzz/fuzz_qdb_$(f).c,qubesdb lib,)))
