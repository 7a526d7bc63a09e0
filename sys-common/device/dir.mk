# SPDX-License-Identifier: GPL-2.0-or-later
# sys-common/device: USB identities as texts, pure; usbvm and dom0 share it.

$(eval $(call library,device,sys-common/device/usb_port.c \
  sys-common/device/usb_ident.c sys-common/device/usb_class.c \
  sys-common/device/usb_devid.c sys-common/device/usb_ifmap.c \
  sys-common/device/usb_grant.c))

$(eval $(call unit_test,test_device_port,tests/unit/test_device_port.c,\
  device lib))
$(eval $(call unit_test,test_device_ident,tests/unit/test_device_ident.c,\
  device lib))
$(eval $(call unit_test,test_device_class,tests/unit/test_device_class.c,\
  device lib))
$(eval $(call unit_test,test_device_devid,tests/unit/test_device_devid.c,\
  device lib))
$(eval $(call fuzz_target,fuzz_usb_ident,tests/fuzz/fuzz_usb_ident.c,\
  device lib))
$(eval $(call unit_test,test_device_grant,tests/unit/test_device_grant.c,\
  device lib))
$(eval $(call fuzz_target,fuzz_usb_keys,tests/fuzz/fuzz_usb_keys.c,\
  device lib))
