# SPDX-License-Identifier: GPL-2.0-or-later
# usbvm: usbvmd, which tells dom0 what is plugged in; usb-broker, which lends
# it, with usb-probe and usb-export; usb-import and sysqube-usb in a qube.
USBVM_SRCS := usbvm/uevent.c usbvm/uevent_sock.c usbvm/usb_descr.c \
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
$(eval $(call library,usbproto,$(addprefix usbvm/protocol/,usbip_pdu.c \
  usb_check.c usb_dset.c usb_snapshot.c usb_hello.c usb_filter.c \
  usb_flight.c usb_cmd.c usb_check_server.c usb_check_client.c)))
$(eval $(call unit_test,test_usbip_pdu,tests/unit/test_usbip_pdu.c tests/mock/hexfile.c,\
  usbproto lib))

# usbvm/link: what both ends of a device's channels share.
$(eval $(call library,usblink,$(addprefix usbvm/link/,usb_end.c usb_pool.c)))
# usbvm/backend: what usb-broker and its helpers share
$(eval $(call library,usbexport,$(addprefix usbvm/backend/,export_msg.c \
  export_fd.c usb_bus.c usb_latency.c)))
$(eval $(call library,usblend,usbvm/backend/lend.c))
$(eval $(call program,usb-broker,usbvm/backend/usb_broker.c,\
  usblend usbexport usbproto usbvm device qubesdb lib,$(LIB_LIBS)))
$(eval $(call unit_test,test_usb_lend,tests/unit/test_usb_lend.c,\
  usblend usbexport usbproto device lib))
$(eval $(call unit_test,test_usb_link,tests/unit/test_usb_link.c,\
  usblink usbproto vchan lib,$(VCHAN_LIBS) $(LIB_LIBS)))
$(eval $(call unit_test,test_usb_latency,tests/unit/test_usb_latency.c,\
  usbexport lib))
# usbvm/frontend: effects of usb-import
$(eval $(call library,usbimport,$(addprefix usbvm/frontend/,vhci_status.c \
  vhci.c)))
$(eval $(call unit_test,test_vhci_status,tests/unit/test_vhci_status.c,\
  usbimport lib))
# The processes of both ends. Programs are made of them when usbvm/protocol
# has its checkers; until then they are compiled, by test_usb_link's rule.
$(eval $(call library,usbends,usbvm/backend/usb_identity.c \
  usbvm/backend/export_dev.c usbvm/backend/export_conn.c \
  usbvm/backend/usb_export.c usbvm/frontend/import_msg.c \
  usbvm/frontend/import_conn.c usbvm/frontend/usb_import.c \
  usbvm/frontend/sysqube_usb.c))
$(BUILD)/obj/usbvm/backend/export_dev.o $(BUILD)/obj/usbvm/backend/usb_export.o: \
  CPPFLAGS += -isystem /usr/include/libusb-1.0
$(BUILD)/test/test_usb_link: | $(BUILD)/lib/libsq-usbends.a
