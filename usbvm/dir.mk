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
  usb_check.c usb_dset.c usb_fault.c usb_snapshot.c usb_hello.c usb_filter.c \
  usb_flight.c usb_cmd.c usb_input.c usb_check_server.c usb_check_client.c)))
$(eval $(call unit_test,test_usbip_pdu,tests/unit/test_usbip_pdu.c tests/mock/hexfile.c,\
  usbproto lib))
USBDEV_SRCS := tests/mock/usbdev.c tests/mock/hexfile.c
$(foreach t,dset snapshot filter hostile server client loop,$(eval $(call unit_test,test_usb_$(t),\
  tests/unit/test_usb_$(t).c $(USBDEV_SRCS),usbproto lib,$(USBPROTO_LD))))
$(foreach t,server client,$(eval $(call fuzz_target,fuzz_usb_$(t),\
  tests/fuzz/fuzz_usb_$(t).c $(USBDEV_SRCS),usbproto lib,-lcmocka $(USBPROTO_LD))))
$(foreach t,dset hello,$(eval $(call fuzz_target,fuzz_usb_$(t),\
  tests/fuzz/fuzz_usb_$(t).c,usbproto lib,$(USBPROTO_LD))))
$(eval $(call unit_test,test_usb_input,tests/unit/test_usb_input.c,\
  usbproto device lib))
$(eval $(call fuzz_target,fuzz_usb_input,tests/fuzz/fuzz_usb_input.c,\
  usbproto lib))

# usbvm/link: what both ends of a device's channels share.
$(eval $(call library,usblink,$(addprefix usbvm/link/,usb_end.c usb_pool.c \
  input_end.c)))
# usbvm/backend: what usb-broker and its helpers share
$(eval $(call library,usbexport,$(addprefix usbvm/backend/,export_msg.c \
  export_fd.c usb_bus.c usb_latency.c)))
$(eval $(call library,usblend,usbvm/backend/lend.c))
$(eval $(call program,usb-broker,usbvm/backend/usb_broker.c,\
  usblend usbexport usbproto usbvm device qubesdb vchan lib,\
  $(VCHAN_LIBS) $(LIB_LIBS)))
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
# The processes of both ends.
$(eval $(call program,usb-probe,$(addprefix usbvm/backend/,usb_probe.c \
  usb_identity.c),usbexport usbproto device lib,$(USBPROTO_LD) $(LIB_LIBS)))
$(eval $(call program,usb-export,$(addprefix usbvm/backend/,usb_export.c \
  usb_identity.c export_dev.c export_conn.c export_input.c),\
  usblink usbexport usbproto device vchan lib,\
  $(VCHAN_LIBS) $(LIB_LIBS) $(USBPROTO_LD) -lusb-1.0))
$(eval $(call program,usb-import,$(addprefix usbvm/frontend/,usb_import.c \
  import_msg.c import_conn.c import_input.c),usblink usbimport usbproto device vchan lib,\
  $(VCHAN_LIBS) $(LIB_LIBS) $(USBPROTO_LD)))
$(eval $(call program,sysqube-usb,$(addprefix usbvm/frontend/,sysqube_usb.c \
  import_msg.c),usbimport usbproto device qubesdb lib,$(LIB_LIBS)))
$(BUILD)/obj/usbvm/backend/export_dev.o $(BUILD)/obj/usbvm/backend/usb_export.o: \
  CPPFLAGS += -isystem /usr/include/libusb-1.0
