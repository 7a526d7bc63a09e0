# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall VM: firewallvmd (monitor and worker) and its tests.
# What it tells of its work.
FW_SEE_PURE := count_keys.c log_packet.c log_record.c
FW_SEE := log_main.c worker_see.c
$(eval $(call library,fwsee,$(addprefix firewallvm/,$(FW_SEE_PURE))))

$(eval $(call library,fwrec,$(addprefix firewallvm/,record.c limits.c path.c \
  name_sets.c rule_source.c source_set.c monitor.c)))
$(eval $(call library,fwcompile,$(addprefix firewallvm/,rule_compile.c \
  answer_compile.c name_compile.c rule_group.c rule_interval.c share_compile.c table_compile.c \
  flow_msg.c)))
$(eval $(call library,names,$(addprefix firewallvm/,names.c names_ask.c \
  names_config.c names_tell.c names_dns.c answer_packet.c resolver_record.c)))
$(eval $(call program,firewallvmd,$(addprefix firewallvm/,firewallvmd.c \
  monitor_kernel.c monitor_count.c monitor_watch.c flow_cut.c flow_judge.c \
  worker.c worker_priv.c worker_qdb.c worker_names.c wall_clock.c resolver.c \
  resolver_ask.c resolver_client.c answer_queue.c $(FW_SEE)),\
  names fwsee fwcompile fwrec qubesdb rules nl lib,$(LIB_LIBS) $(NL_LIBS) -lcares))

$(foreach t,log_packet count_keys,$(eval $(call unit_test,test_$(t),\
  tests/unit/test_$(t).c,fwsee rules lib,-lmnl)))
$(eval $(call fuzz_target,fuzz_log_packet,tests/fuzz/fuzz_log_packet.c,\
  fwsee rules lib,-lmnl))
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
$(eval $(call unit_test,test_names,tests/unit/test_names.c,names rules lib))
$(eval $(call unit_test,test_name_sets,tests/unit/test_name_sets.c,\
  fwrec rules lib))
$(eval $(call unit_test,test_monitor_names,tests/unit/test_monitor_names.c,\
  fwrec rules lib))
$(eval $(call unit_test,test_answer_packet,tests/unit/test_answer_packet.c,\
  names rules lib))
$(eval $(call fuzz_target,fuzz_answer_packet,tests/fuzz/fuzz_answer_packet.c,\
  names rules lib))
$(eval $(call unit_test,test_names_dns,tests/unit/test_names_dns.c,\
  names rules lib))
$(eval $(call fuzz_target,fuzz_dns_answer,tests/fuzz/fuzz_dns_answer.c,\
  names rules lib))
$(eval $(call fuzz_target,fuzz_resolver_record,\
  tests/fuzz/fuzz_resolver_record.c,names rules lib))
$(eval $(call unit_test,test_fw_shares,tests/unit/test_fw_shares.c,\
  fwcompile fwrec rules lib))
