# SPDX-License-Identifier: GPL-2.0-or-later
# The one Makefile of Sysqube. Each folder's dir.mk declares what it builds
# with the four macros below (library, program, unit_test, fuzz_target);
# nothing recurses. `make` alone lists the targets.

BUILD   ?= build
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
FUZZ_CC ?= clang
PREFIX  ?= /usr
DESTDIR ?=
V       ?= 0
Q       := $(if $(filter 0,$(V)),@,)
say      = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' '$(1)' '$(2)',@:)
VERSION := 0.1.0
SHELL   := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# ---- flags: every one is probed once, so gcc and clang share this list ----
WARN := -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla -Wformat=2 \
  -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum \
  -Wimplicit-fallthrough -Wcast-qual -Wnull-dereference -Wundef \
  -Wpointer-arith -Wwrite-strings
HARDEN := -fstack-protector-strong -fstack-clash-protection \
  -fcf-protection=full -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE \
  -fno-strict-aliasing -fno-delete-null-pointer-checks
PROBED := -ftrivial-auto-var-init=zero -fzero-call-used-regs=used \
  -Wdocumentation
probe = $(shell echo 'int main(void){return 0;}' | \
  $(1) -Werror $(2) -x c -c -o /dev/null - 2>/dev/null && echo '$(2)')
OK_FLAGS := $(foreach f,$(PROBED),$(call probe,$(CC),$(f)))

CPPFLAGS += -I. -Isys-common -D_GNU_SOURCE -DSQ_VERSION='"$(VERSION)"'
CFLAGS   ?= -O2 -g
BASE     := -std=gnu11 -pthread -MMD -MP -ffile-prefix-map=$(CURDIR)=.
ALL_CFLAGS = $(CPPFLAGS) $(BASE) $(CFLAGS) $(WARN) $(HARDEN) $(OK_FLAGS) $(SAN)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed \
  -Wl,--gc-sections $(LDFLAGS) $(SAN)
FUZZ_CFLAGS = $(CPPFLAGS) $(BASE) -O1 -g -fno-omit-frame-pointer $(WARN) \
  -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined

PROGRAMS :=
UNIT_TESTS :=
FUZZERS :=
HEADERS := $(wildcard sys-common/*/*.h netvm/*.h firewallvm/*.h usbvm/*.h \
  usbvm/*/*.h)

# $(call library,NAME,SRCS)
define library
LIB_$(1)_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(2))
LIB_$(1)_FUZZ := $(patsubst %.c,$(BUILD)/fuzzobj/%.o,$(2))
$(BUILD)/lib/libsq-$(1).a: $$(LIB_$(1)_OBJS)
	$$(call say,AR,$$@)
	$(Q)mkdir -p $$(@D); rm -f $$@; ar rcsD $$@ $$^
$(BUILD)/fuzzlib/libsq-$(1).a: $$(LIB_$(1)_FUZZ)
	$(Q)mkdir -p $$(@D); rm -f $$@; ar rcsD $$@ $$^
-include $$(LIB_$(1)_OBJS:.o=.d) $$(LIB_$(1)_FUZZ:.o=.d)
endef

# $(call program,NAME,SRCS,LIBS,LDLIBS)
define program
PROGRAMS += $(1)
$(BUILD)/bin/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(2)) \
  $(patsubst %,$(BUILD)/lib/libsq-%.a,$(3))
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D); $$(CC) -o $$@ $$^ $$(ALL_LDFLAGS) $(4)
-include $(patsubst %.c,$(BUILD)/obj/%.d,$(2))
endef

# $(call unit_test,NAME,SRCS,LIBS,LDLIBS)
define unit_test
UNIT_TESTS += $(1)
$(BUILD)/test/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(2)) \
  $(patsubst %,$(BUILD)/lib/libsq-%.a,$(3))
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D); $$(CC) -o $$@ $$^ $$(ALL_LDFLAGS) -lcmocka $(4)
-include $(patsubst %.c,$(BUILD)/obj/%.d,$(2))
endef

# $(call fuzz_target,NAME,SRCS,LIBS,LDLIBS)
define fuzz_target
FUZZERS += $(1)
$(BUILD)/fuzz/$(1): $(patsubst %.c,$(BUILD)/fuzzobj/%.o,$(2)) \
  $(patsubst %,$(BUILD)/fuzzlib/libsq-%.a,$(3))
	$$(call say,FUZZLD,$$@)
	$(Q)mkdir -p $$(@D); $$(FUZZ_CC) -fsanitize=address,undefined,fuzzer \
	  -o $$@ $$^ -pthread $(4)
-include $(patsubst %.c,$(BUILD)/fuzzobj/%.d,$(2))
endef

$(BUILD)/obj/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D); $(CC) $(ALL_CFLAGS) -ffunction-sections \
	  -fdata-sections -c -o $@ $<
$(BUILD)/fuzzobj/%.o: %.c
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D); $(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<

include $(wildcard sys-common/lib/dir.mk sys-common/rules/dir.mk \
  sys-common/device/dir.mk sys-common/vchan/dir.mk \
  sys-common/qubesdb/dir.mk sys-common/vif/dir.mk sys-common/init/dir.mk \
  sys-common/dom0/dir.mk netvm/dir.mk firewallvm/dir.mk usbvm/dir.mk \
  image-builder/dir.mk tests/dir.mk tests/lab/dir.mk docs/dir.mk)

.PHONY: help all programs unit check clean
help: ## list the targets (this text)
	@printf 'Sysqube $(VERSION)\n\n'
	@grep -hE '^[a-z0-9%-]+:.*## ' $(MAKEFILE_LIST) | sort | \
	  awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@printf '\nVariables: CC=clang BUILD=dir V=1 PREFIX= DESTDIR=\n'

all: programs ## build every program
programs: $(patsubst %,$(BUILD)/bin/%,$(PROGRAMS))
unit: $(patsubst %,$(BUILD)/test/%,$(UNIT_TESTS))

clean: ## remove the build folder (caches outside the tree stay)
	rm -rf $(BUILD) $(BUILD)-asan build-clang
