# SPDX-License-Identifier: GPL-2.0-or-later
# usbvm: usbvmd, which tells dom0 what is plugged in.
USBVM_SRCS := usbvm/uevent.c usbvm/usb_descr.c \
  usbvm/usb_table.c usbvm/usb_sysfs.c
$(eval $(call library,usbvm,$(USBVM_SRCS)))
$(eval $(call program,usbvmd,usbvm/usbvmd.c,usbvm device qubesdb lib,$(LIB_LIBS)))
$(eval $(call unit_test,test_usbvmd,tests/unit/test_usbvmd.c,usbvm device lib))
$(eval $(call unit_test,test_usbvmd_descr,tests/unit/test_usbvmd_descr.c,\
  usbvm device lib))
$(eval $(call fuzz_target,fuzz_uevent,tests/fuzz/fuzz_uevent.c,usbvm device lib))
$(eval $(call fuzz_target,fuzz_usb_descr,tests/fuzz/fuzz_usb_descr.c,\
  usbvm device lib))

# usbvm/protocol: PDU codec, descriptors and the PDU firewall, pure; both
# ends of a USB connection share it. Link with $(USBPROTO_LD).
USBPROTO_LD := -lsodium
$(eval $(call library,usbproto,usbvm/protocol/usbip_pdu.c))
$(eval $(call unit_test,test_usbip_pdu,tests/unit/test_usbip_pdu.c tests/mock/hexfile.c,\
  usbproto lib))

# usbvm/link: what both ends of a device's channels share.
$(eval $(call library,usblink,$(addprefix usbvm/link/,usb_end.c usb_pool.c)))
# usbvm/backend: pure parts of usb-export, usbvmd uses them as well
$(eval $(call library,usbexport,$(addprefix usbvm/backend/,export_msg.c \
  usb_latency.c)))
$(eval $(call unit_test,test_usb_link,tests/unit/test_usb_link.c,\
  usblink usbproto vchan lib,$(VCHAN_LIBS) $(LIB_LIBS)))
$(eval $(call unit_test,test_usb_latency,tests/unit/test_usb_latency.c,\
  usbexport lib))
