# SPDX-License-Identifier: GPL-2.0-or-later
# sys-common/dom0: sysqubed and sysqube. Links lib, rules, device, vchan and
# qubesdb only; nothing outside includes it.
D0 := sys-common/dom0
# What firewalls tell of their work.
D0_SEE_PURE := fw_stats.c
D0_SEE := metrics.c report_watch.c

D0_USB_PURE := usb_claim.c usb_keys.c usb_plan.c usb_policy.c
# What has no effects: configuration, plan, keys, requests.
$(eval $(call library,dom0pure,$(addprefix $(D0)/,config.c config_value.c \
  config_check.c config_firewall.c fw_diff.c fw_explain.c fw_items.c fw_profile.c \
  fw_question.c keys.c keys_firewall.c \
  keyset.c manager_error.c plan.c problems.c request.c rules_list.c section.c section_lines.c \
  $(D0_USB_PURE) $(D0_SEE_PURE))))
# Files and sockets of both programs.
$(eval $(call library,dom0,$(addprefix $(D0)/,config_load.c image.c \
  control.c job.c manager.c manager_config.c manager_state.c \
  manager_vif.c platform.c report.c \
  path_serve.c rules_edit.c serve.c usb_edit.c usb_error.c usb_op.c usb_report.c \
  usb_serve.c usb_world.c worker.c platform_netns.c netns_child.c \
  netns_console.c netns_link.c $(D0_SEE))))
D0_PURE_LIBS := dom0pure device qubesdb rules lib
D0_PURE_LD := -linih -ljansson $(LIB_LIBS)
D0_LD := $(D0_PURE_LD) -lsodium -lmnl
XEN_LD := -lxenlight -lxenstore -lxentoollog -lxenctrl

$(eval $(call program,sysqubed,$(D0)/sysqubed.c $(D0)/platform_xen.c,dom0 \
  dom0pure device qubesdb rules nl lib,$(D0_LD) $(XEN_LD)))

$(eval $(call program,sysqube,$(addprefix $(D0)/,sysqube.c cli_client.c \
  cli_explain.c cli_firewall.c cli_rules.c \
  cli_usb.c cli_path.c cli_console.c cli_show.c cli_table.c cli_watch.c \
  config_load.c image.c),dom0pure \
  device qubesdb rules lib,$(D0_PURE_LD) -lsodium))

$(eval $(call unit_test,test_rules_list,tests/unit/test_rules_list.c,\
  $(D0_PURE_LIBS),$(D0_PURE_LD)))
# What dom0 writes and what its VMs read, held against each other.
$(eval $(call unit_test,test_path_keys,tests/unit/test_path_keys.c,\
  dom0pure fwrec netvm device qubesdb rules lib,$(D0_PURE_LD)))
$(foreach t,usb_policy usb_plan,$(eval $(call unit_test,test_$(t),\
  tests/unit/test_$(t).c,$(D0_PURE_LIBS),$(D0_PURE_LD))))
$(foreach t,config plan keys control fw_diff fw_explain fw_stats \
  fw_profile,$(eval $(call unit_test,test_$(t),\
  tests/unit/test_$(t).c,$(D0_PURE_LIBS),$(D0_PURE_LD))))

$(eval $(call unit_test,test_config_image,tests/unit/test_config_image.c,\
  dom0 dom0pure device qubesdb rules lib,$(D0_LD)))
$(eval $(call unit_test,test_manager,tests/unit/test_manager.c \
  tests/mock/platform_fake.c,dom0 dom0pure device qubesdb rules nl lib,\
  $(D0_LD)))
$(eval $(call unit_test,test_usb_dom0,tests/unit/test_usb_dom0.c \
  tests/mock/platform_fake.c,dom0 dom0pure device qubesdb rules nl lib,\
  $(D0_LD)))
$(eval $(call fuzz_target,fuzz_config,tests/fuzz/fuzz_config.c,\
  $(D0_PURE_LIBS),$(D0_PURE_LD)))

.PHONY: run down install-dom0 uninstall-dom0
run: programs image-trees ## start the set in namespaces here, leave it running
	@$(D0)/example/demo up
down: ## end what `make run` started
	@$(D0)/example/demo down

D0_MAN = $(wildcard docs/man/sysqube.1 docs/man/sysqubed.8 \
  docs/man/sysqube-qdb.8 docs/man/sysqube-qube.conf.5)
# What install-dom0 puts where; uninstall-dom0 takes exactly this away and
# leaves /etc/sysqube, which is the administrator's.
install-dom0: $(addprefix $(BUILD)/bin/,sysqubed sysqube sysqube-qdb) ## install the daemon and the command (DESTDIR=)
	$(Q)install -Dm755 $(BUILD)/bin/sysqubed $(DESTDIR)$(PREFIX)/sbin/sysqubed
	$(Q)install -Dm755 $(BUILD)/bin/sysqube $(DESTDIR)$(PREFIX)/bin/sysqube
	$(Q)install -Dm755 $(BUILD)/bin/sysqube-qdb \
	  $(DESTDIR)$(PREFIX)/libexec/sysqube/sysqube-qdb
	$(Q)install -Dm644 $(D0)/sysqubed.service \
	  $(DESTDIR)/lib/systemd/system/sysqubed.service
	$(Q)install -Dm644 $(D0)/sysqube.completion \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sysqube
	$(Q)for m in $(D0_MAN); do install -Dm644 $$m \
	  $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done
	$(Q)if [ ! -e $(DESTDIR)/etc/sysqube ]; then \
	  for f in sysqube.conf qubes/sys-net.conf qubes/sys-firewall.conf \
	    qubes/sys-usb.conf qubes/work.conf qubes/untrusted.conf; do \
	    install -Dm644 $(D0)/example/$$f $(DESTDIR)/etc/sysqube/$$f; \
	  done; fi
	$(Q)install -dm755 $(DESTDIR)/var/lib/sysqube
uninstall-dom0: ## remove what install-dom0 installed; keeps /etc/sysqube
	$(Q)rm -f $(DESTDIR)$(PREFIX)/sbin/sysqubed $(DESTDIR)$(PREFIX)/bin/sysqube \
	  $(DESTDIR)/lib/systemd/system/sysqubed.service \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sysqube \
	  $(addprefix $(DESTDIR)$(PREFIX)/share/man/,man1/sysqube.1 \
	  man8/sysqubed.8 man8/sysqube-qdb.8 man5/sysqube-qube.conf.5)
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/libexec/sysqube
