# SPDX-License-Identifier: GPL-2.0-or-later
# sys-common/vchan: byte streams between domains.
$(eval $(call library,vchan,$(addprefix sys-common/vchan/,vchan.c \
  vchan_unix.c vchan_xen.c)))

VCHAN_LIBS := -lxenvchan -lxenevtchn -lxenstore

$(eval $(call unit_test,test_vchan,tests/unit/test_vchan.c,vchan lib,\
  $(VCHAN_LIBS) $(LIB_LIBS)))
# with a fake library of its own
$(eval $(call unit_test,test_vchan_xen,tests/unit/test_vchan_xen.c,vchan lib,\
  $(LIB_LIBS)))
