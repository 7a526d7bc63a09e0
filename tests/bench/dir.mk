# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks: tests/bench/README.md says what each row means. Not part of
# `make test`: they want an idle machine.
$(eval $(call test_tool,fwbench,$(addprefix tests/bench/firewall/,fwbench.c \
  nft_text.c) $(FW_TOOL_SRCS),$(FW_TOOL_LIBS),$(LIB_LIBS) $(NL_LIBS)))

bench: ## list the benchmarks
	@grep -hE '^bench-[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | \
	  awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
bench-firewall: programs test-tools ## firewallvmd against nft and conntrack
	@tests/bench/firewall/bench_firewall.py
bench-usb: $(USB_TOOLS) ## ours against usbip-host and vhci, in a guest
	@BUILD=$(abspath $(BUILD)) tests/bench/usb/bench_usb.py
.PHONY: bench bench-firewall bench-usb
