# SPDX-License-Identifier: GPL-2.0-or-later
# Programs that tests and benchmarks run; never installed.
TEST_TOOLS :=

# $(call test_tool,NAME,SRCS,LIBS,LDLIBS)
define test_tool
TEST_TOOLS += $(1)
$(BUILD)/tool/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(2)) \
  $(patsubst %,$(BUILD)/lib/libsq-%.a,$(3))
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D); $$(CC) -o $$@ $$^ $$(ALL_LDFLAGS) $(4)
-include $(patsubst %.c,$(BUILD)/obj/%.d,$(2))
endef

# firewallvmd's monitor without its main, and the scene's packets
FW_TOOL_SRCS := $(addprefix firewallvm/,monitor_kernel.c monitor_count.c \
  flow_cut.c flow_judge.c answer_queue.c) \
  $(addprefix tests/property/,gen.c frame.c wire.c flows.c engine_direct.c)
FW_TOOL_LIBS := fwcompile fwrec rules nl lib
$(eval $(call test_tool,fwprop,$(addprefix tests/property/,fwprop.c world.c \
  engine_pipe.c) $(FW_TOOL_SRCS),$(FW_TOOL_LIBS),$(LIB_LIBS) $(NL_LIBS)))
$(eval $(call test_tool,fwload,$(addprefix tests/property/,fwload.c frame.c \
  wire.c gen.c),lib,$(LIB_LIBS)))
