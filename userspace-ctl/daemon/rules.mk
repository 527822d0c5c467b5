# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd: included by the Makefile above, whose variables it uses.
#
#   make fuzz [FUZZ_SECONDS=20]    libFuzzer over the parsers, wants clang

daemon_pure := policy ladder qmp
daemon_tests := test-policy test-ladder test-qmp
FUZZ_SECONDS ?= 20
CLANG	?= clang

asan_daemon_o := $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon_pure))

$(patsubst %,$(OBJ)/asan/%,$(daemon_tests)): $(OBJ)/asan/test-%: $(OBJ)/asan/daemon/tests/test-%.o \
		$(asan_daemon_o) $(asan_lib_o)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

test: $(patsubst %,$(OBJ)/asan/%,$(daemon_tests))

$(OBJ)/fuzz/%: daemon/fuzz-%.c $(patsubst %,daemon/%.c,$(daemon_pure)) err.c
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -MMD -MP,$(CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^ $(LIBS)

.PHONY: fuzz
fuzz: $(OBJ)/fuzz/qmp
	$(Q)for fuzzer in $^; do \
		$$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -verbosity=0 \
			-artifact_prefix=$(OBJ)/fuzz/ || exit 1; \
	done
