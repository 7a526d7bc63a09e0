# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall rule language, pure; dom0 and the firewall VM share it.
$(eval $(call library,rules,$(addprefix sys-common/rules/,rule_parse.c \
  rule_format.c rule_eval.c rule_lower.c fw_count.c fw_event.c)))
$(eval $(call unit_test,test_rule_parse,tests/unit/test_rule_parse.c,rules lib))
$(eval $(call unit_test,test_rule_format,tests/unit/test_rule_format.c,\
  rules lib))
$(eval $(call unit_test,test_rule_eval,tests/unit/test_rule_eval.c,rules lib))
$(foreach t,fw_count fw_event,$(eval $(call unit_test,test_$(t),\
  tests/unit/test_$(t).c,rules lib)))
$(eval $(call fuzz_target,fuzz_fw_status,tests/fuzz/fuzz_fw_status.c,rules lib))
$(eval $(call fuzz_target,fuzz_rule_parse,tests/fuzz/fuzz_rule_parse.c,\
  rules lib))
