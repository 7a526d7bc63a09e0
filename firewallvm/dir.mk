# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall VM: firewallvmd (monitor and worker) and its tests.
$(eval $(call library,fwrec,$(addprefix firewallvm/,record.c limits.c path.c \
  rule_source.c source_set.c monitor.c)))
$(eval $(call library,fwcompile,$(addprefix firewallvm/,rule_compile.c \
  rule_group.c rule_interval.c share_compile.c table_compile.c flow_msg.c)))
$(eval $(call program,firewallvmd,$(addprefix firewallvm/,firewallvmd.c \
  monitor_kernel.c monitor_count.c monitor_watch.c flow_cut.c flow_judge.c worker.c \
  worker_priv.c worker_qdb.c wall_clock.c),\
  fwcompile fwrec qubesdb rules nl lib,$(LIB_LIBS) $(NL_LIBS)))

$(eval $(call unit_test,test_rule_record,tests/unit/test_rule_record.c,\
  fwrec rules lib))
$(eval $(call unit_test,test_rule_source,tests/unit/test_rule_source.c,\
  fwrec rules lib))
$(eval $(call unit_test,test_rule_flow,tests/unit/test_rule_flow.c,\
  fwcompile lib,-lmnl))
$(eval $(call fuzz_target,fuzz_rule_record,tests/fuzz/fuzz_rule_record.c,\
  fwcompile fwrec rules nl lib,$(LIB_LIBS) $(NL_LIBS)))
$(eval $(call fuzz_target,fuzz_rule_flow,tests/fuzz/fuzz_rule_flow.c,\
  fwcompile lib,-lmnl))
