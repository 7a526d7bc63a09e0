# SPDX-License-Identifier: GPL-2.0-or-later
# sys-common/lib: no policy, included by everything above it.
$(eval $(call library,lib,$(addprefix sys-common/lib/,err.c buf.c parse.c \
  ipaddr.c sort.c log.c io.c loop.c privsep.c sandbox.c)))
# netlink and nftables apart, so that dom0 does not link them
$(eval $(call library,nl,$(addprefix sys-common/lib/,nl.c nl_answer.c nft.c \
  nft_elem.c nft_expr.c nft_stmt.c nft_nat.c nft_read.c)))

LIB_LIBS := -levent_core -lseccomp -lcap-ng
NL_LIBS  := -lnftnl -lmnl
$(eval $(call unit_test,test_lib,tests/unit/test_lib.c,lib,$(LIB_LIBS)))
$(eval $(call fuzz_target,fuzz_nl_answer,tests/fuzz/fuzz_nl_answer.c,nl,$(NL_LIBS)))
