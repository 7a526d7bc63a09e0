# SPDX-License-Identifier: GPL-2.0-or-later
# tests/lab: the product under real Xen inside QEMU (README.md here).

LAB := $(BUILD)/lab
export LAB_FOLDER ?= $(abspath $(LAB))

$(eval $(call program,lab-hostile,tests/lab/hostile.c,vchan lib,\
  $(VCHAN_LIBS) $(LIB_LIBS)))

.PHONY: lab lab-test lab-root lab-tree
lab-root: deps ## make the lab's dom0 root (cached; half a minute)
	@tests/lab/dom0-root >/dev/null

# The product as a user would install it; packed for dom0 at each boot.
lab-tree: deps
	@rm -rf $(LAB)/dom0; mkdir -p $(LAB)/dom0
	@$(MAKE) --no-print-directory install-dom0 install-images \
	  DESTDIR=$(abspath $(LAB))/dom0

lab: lab-root lab-tree ## the set under real Xen in QEMU, with a dom0 prompt
	@LAB_TREE=$(abspath $(LAB))/dom0 tests/lab/lab run

lab-test: lab-root lab-tree $(BUILD)/bin/lab-hostile ## boot the lab, check the whole chain, power off
	@LAB_TREE=$(abspath $(LAB))/dom0 \
	  LAB_HOSTILE=$(abspath $(BUILD))/bin/lab-hostile tests/lab/lab test
