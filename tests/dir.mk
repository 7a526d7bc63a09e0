# SPDX-License-Identifier: GPL-2.0-or-later
# tests: what runs them, and the packages a bare Debian 12 lacks.

.PHONY: test check check-netns check-asan asan-unit fuzz fuzz-smoke lint build-both \
  deps format format-check
FUZZ_SECONDS ?= 10

include $(wildcard tests/property/dir.mk tests/usb/dir.mk tests/bench/dir.mk)

# behind all that declares one
test-tools: $(patsubst %,$(BUILD)/tool/%,$(TEST_TOOLS))
.PHONY: test-tools

# The included file is made first, and make starts anew with it: so every
# target but these finds the packages there. tests/packages is the one list.
DEPS_MK := $(BUILD)/deps.mk
ifneq ($(filter-out help clean down,$(MAKECMDGOALS)),)
include $(DEPS_MK)
endif
$(DEPS_MK): tests/packages
	@mkdir -p $(@D); tests/install-packages tests/packages
	@echo '# packages of tests/packages were there' > $@
deps: $(DEPS_MK) ## install the Debian packages this needs (apt-get)

fuzzers: $(patsubst %,$(BUILD)/fuzz/%,$(FUZZERS))

build-both: programs ## build every program with gcc and with clang
	@$(MAKE) --no-print-directory CC=clang BUILD=build-clang programs

test: deps ## unit, netns and fuzz smoke tests, lints, both compilers
	@$(MAKE) --no-print-directory -j2 programs unit test-tools image-trees
	@$(MAKE) --no-print-directory -j2 CC=clang BUILD=build-clang programs
	@$(MAKE) --no-print-directory -j2 asan-unit
	@$(MAKE) --no-print-directory -j2 fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run --build $(BUILD)

check: programs unit ## lints and unit tests only
	@tests/run --build $(BUILD) lint unit

check-netns: programs test-tools image-trees ## tests against the real kernel in namespaces
	@tests/run --build $(BUILD) netns

asan-unit: # the unit tests with their sanitizers, in a folder of their own
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-asan CFLAGS='-O1 -g' \
	  SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined' unit
check-asan: asan-unit ## unit tests with address and undefined-behaviour sanitizers
	@tests/run --build $(BUILD) asan

fuzz-smoke: fuzzers ## FUZZ_SECONDS (10) for each fuzzer
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run --build $(BUILD) fuzz

fuzz: fuzzers ## a long run: FUZZ_SECONDS=600
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} tests/run --build $(BUILD) fuzz

C_SOURCES = $(shell git ls-files '*.c' '*.h')
format: ## clang-format the tree
	clang-format -i $(C_SOURCES)
format-check: ## fail when clang-format would change a file
	clang-format --dry-run -Werror $(C_SOURCES)
