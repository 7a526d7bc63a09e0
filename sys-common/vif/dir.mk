# SPDX-License-Identifier: GPL-2.0-or-later
# vifd and sysqube-agent: vifs and a qube's own interface, and their tests.

VIF_LIBS := -lnl-route-3 -lnl-3

# pure
$(eval $(call library,vif,$(addprefix sys-common/vif/,vif_plan.c \
  vif_facts.c agent_plan.c)))
# effects on links
$(eval $(call library,viflink,$(addprefix sys-common/vif/,vif_link.c \
  vif_prune.c vif_apply.c)))
# effects of vifd
$(eval $(call library,vifd,$(addprefix sys-common/vif/,vif_nft.c \
  vif_table.c vif_source_xen.c vif_source_netns.c)))
$(eval $(call program,vifd,sys-common/vif/vifd.c,\
  vifd viflink vif qubesdb nl lib,\
  $(VIF_LIBS) -lxenstore $(NL_LIBS) $(LIB_LIBS)))
$(eval $(call program,sysqube-agent,sys-common/vif/agent.c,\
  viflink vif qubesdb lib,$(VIF_LIBS) $(LIB_LIBS)))
$(BUILD)/obj/sys-common/vif/vif_link.o $(BUILD)/obj/sys-common/vif/vif_prune.o: \
  CPPFLAGS += -isystem /usr/include/libnl3

$(eval $(call unit_test,test_vif_plan,tests/unit/test_vif_plan.c,vif lib,))
$(eval $(call unit_test,test_vif_facts,tests/unit/test_vif_facts.c,vif lib,))
$(eval $(call unit_test,test_agent_plan,tests/unit/test_agent_plan.c,\
  vif lib,))
$(eval $(call fuzz_target,fuzz_vif_keys,tests/fuzz/fuzz_vif_keys.c,vif lib,))
