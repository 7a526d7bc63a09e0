# SPDX-License-Identifier: GPL-2.0-or-later
# tests/usb: USB in a guest with its own kernel (README.md here). Not part of
# `make test`: the guest is emulated.
USB_TOOLS := $(addprefix $(BUILD)/tool/,testusb usbwire usbperf usbreset qdbdom0 \
  usb_hostile) \
  $(addprefix $(BUILD)/bin/,usb-broker usb-probe usb-export usb-import \
  sysqube-usb qdbd qdb sysqube-qdb)
$(eval $(call test_tool,testusb,tests/usb/testusb.c,,))
$(eval $(call test_tool,usbwire,tests/usb/usbwire.c,,))
$(eval $(call test_tool,usbperf,tests/usb/usbperf.c,,))
$(eval $(call test_tool,usbreset,tests/usb/usbreset.c,,))
$(eval $(call test_tool,usb-helper,tests/usb/usb_helper.c,,))
$(eval $(call test_tool,qdbdom0,tests/usb/qdbdom0.c,qubesdb lib,$(LIB_LIBS)))
$(eval $(call test_tool,usb_hostile,tests/usb/usb_hostile.c tests/mock/usbdev.c \
  tests/mock/hexfile.c,usbproto vchan lib,-lcmocka $(USBPROTO_LD) $(VCHAN_LIBS) \
  $(LIB_LIBS)))

usb-test: $(USB_TOOLS) ## USB in an emulated guest; SCENES="kernel .."
	@BUILD=$(abspath $(BUILD)) tests/usb/usb_test.py $(SCENES)
.PHONY: usb-test
