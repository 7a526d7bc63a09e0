# SPDX-License-Identifier: GPL-2.0-or-later
# tests/usb: USB in a guest with its own kernel (README.md here). Not part of
# `make test`: the guest is emulated.
USB_TOOLS := $(addprefix $(BUILD)/tool/,testusb usbwire usbperf)
$(eval $(call test_tool,testusb,tests/usb/testusb.c,,))
$(eval $(call test_tool,usbwire,tests/usb/usbwire.c,,))
$(eval $(call test_tool,usbperf,tests/usb/usbperf.c,,))
$(eval $(call test_tool,usb-helper,tests/usb/usb_helper.c,,))

usb-test: $(USB_TOOLS) ## USB in an emulated guest; SCENES="kernel .."
	@BUILD=$(abspath $(BUILD)) tests/usb/usb_test.py $(SCENES)
.PHONY: usb-test
