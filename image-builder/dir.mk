# SPDX-License-Identifier: GPL-2.0-or-later
# The four images. Kernels live in a cache outside the tree (README.md here);
# build/images/NAME/ holds vmlinuz, initramfs, root/ and manifest.json.

IB := image-builder
IMAGES := netvm firewallvm usbvm testqube
APPLIANCES := netvm firewallvm usbvm
IMAGE_DIR := /var/lib/sysqube/images

$(eval $(call program,send-forged,$(IB)/testqube/send-forged.c,,))
$(eval $(call program,probe,$(IB)/testqube/probe.c,,))
$(eval $(call program,udp-load,$(IB)/testqube/udp-load.c,,))

# What each image is made of; names of programs as in the recipe.
image_bins = $(addprefix $(BUILD)/bin/,$(shell \
  awk '$$1=="bin"{print $$2}' $(IB)/recipes/base.recipe \
  $(IB)/recipes/$(1).recipe))
image_files = $(shell find $(IB)/base $(shell awk '$$1=="tree"{print $$2}' \
  $(IB)/recipes/$(1).recipe) 2>/dev/null)
IMAGE_COMMON := $(IB)/build-image $(IB)/recipes/base.recipe
KERNEL_COMMON := $(IB)/build-kernel $(IB)/fetch-kernel \
  $(wildcard $(IB)/kernel/*.config)

define image
.PHONY: image-$(1)
image-$(1): $(BUILD)/images/$(1)/manifest.json
# The root tree alone: all that the netns platform needs.
$(BUILD)/images/$(1)/root.stamp: $(IMAGE_COMMON) $(IB)/recipes/$(1).recipe \
  $(call image_bins,$(1)) $(call image_files,$(1))
	$$(call say,TREE,$(1))
	$(Q)$(IB)/build-image --build $(BUILD) --tree-only $(1)
	$(Q)touch $$@
$(BUILD)/images/$(1)/manifest.json: $(BUILD)/images/$(1)/root.stamp \
  $(KERNEL_COMMON)
	$$(call say,IMAGE,$(1))
	$(Q)$(IB)/build-image --build $(BUILD) --version $(VERSION) $(1)
endef
$(foreach i,$(IMAGES),$(eval $(call image,$(i))))

.PHONY: kernels images image-trees sizes manifest install-images
kernels: ## build the appliance kernels (cached; about 5 minutes each if not)
	$(Q)for i in $(APPLIANCES); do $(IB)/build-kernel $$i >/dev/null; done

# One after the other: a kernel build uses every core by itself.
images: ## build all images and print their sizes
	$(Q)for i in $(IMAGES); do \
	  $(MAKE) --no-print-directory image-$$i; done
	$(Q)$(IB)/build-image --sizes --build $(BUILD) $(IMAGES)

image-trees: $(patsubst %,$(BUILD)/images/%/root.stamp,$(IMAGES))

sizes manifest: ## print image sizes against their budgets
	$(Q)$(IB)/build-image --sizes --build $(BUILD) $(IMAGES)

install-images: images ## install the images to DESTDIR/var/lib/sysqube
	$(Q)for i in $(IMAGES); do \
	  install -d $(DESTDIR)$(IMAGE_DIR)/$$i; \
	  install -m 644 $(patsubst %,$(BUILD)/images/$$i/%,vmlinuz initramfs \
	    manifest.json) $(DESTDIR)$(IMAGE_DIR)/$$i/; \
	done
