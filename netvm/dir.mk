# SPDX-License-Identifier: GPL-2.0-or-later
# netvm: uplink, address translation, resolver settings, DHCP launcher.

$(eval $(call library,netvm,$(addprefix netvm/,uplink_name.c uplink_conf.c \
  uplink_forward.c uplink_state.c dhcp_facts.c)))

NETVM_NL3 := -lnl-route-3 -lnl-3
$(eval $(call program,netvmd,netvm/netvmd.c netvm/uplink_link.c \
  netvm/uplink_nft.c netvm/table_apply.c,netvm qubesdb nl lib,\
  $(NETVM_NL3) $(NL_LIBS) $(LIB_LIBS)))
$(eval $(call program,netvm-dhcp,netvm/netvm_dhcp.c netvm/uplink_link.c,\
  netvm qubesdb lib,$(NETVM_NL3) $(LIB_LIBS)))
$(eval $(call program,netvm-dhcp-hook,netvm/netvm_dhcp_hook.c,netvm lib,\
  $(LIB_LIBS)))
$(BUILD)/obj/netvm/uplink_link.o: CPPFLAGS += -isystem /usr/include/libnl3

$(eval $(call unit_test,test_uplink_conf,tests/unit/test_uplink_conf.c,\
  netvm lib,$(LIB_LIBS)))
$(eval $(call unit_test,test_uplink_forward,tests/unit/test_uplink_forward.c,\
  netvm lib,$(LIB_LIBS)))
$(eval $(call unit_test,test_uplink_state,tests/unit/test_uplink_state.c,\
  netvm lib,$(LIB_LIBS)))
$(eval $(call unit_test,test_netvm_facts,tests/unit/test_netvm_facts.c,\
  netvm lib,$(LIB_LIBS)))
$(eval $(call unit_test,test_netvm_nft,tests/unit/test_netvm_nft.c \
  netvm/uplink_nft.c,netvm nl lib,$(NL_LIBS) $(LIB_LIBS)))
$(eval $(call fuzz_target,fuzz_dhcp_facts,tests/fuzz/fuzz_dhcp_facts.c,\
  netvm lib,$(LIB_LIBS)))
$(eval $(call fuzz_target,fuzz_uplink_forward,\
  tests/fuzz/fuzz_uplink_forward.c,netvm lib,$(LIB_LIBS)))
