# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd: included by the Makefile above, whose variables it uses.
#
#   make fuzz [FUZZ_SECONDS=20]    libFuzzer over the parsers, wants clang

daemon_pure := policy ladder qmp conf vmm given
daemon	:= $(daemon_pure) link pager guest daemon enrol textfile main
daemon_tests := test-policy test-ladder test-qmp
DAEMON_LIBS := $(LIBS) -lsystemd -linih -lpthread
FUZZ_SECONDS ?= 20
CLANG	?= clang

all: $(OUT)/pagefoldd

$(OUT)/pagefoldd: $(patsubst %,$(OBJ)/daemon/%.o,$(daemon)) $(lib_o)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(OBJ)/asan/pagefoldd: $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon)) $(asan_lib_o)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(DAEMON_LIBS)

asan_daemon_o := $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon_pure))

$(patsubst %,$(OBJ)/asan/%,$(daemon_tests)): $(OBJ)/asan/test-%: $(OBJ)/asan/daemon/tests/test-%.o \
		$(asan_daemon_o) $(asan_lib_o)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(DAEMON_LIBS)

test: $(OBJ)/asan/pagefoldd $(patsubst %,$(OBJ)/asan/%,$(daemon_tests))

$(OBJ)/fuzz/%: daemon/fuzz-%.c $(patsubst %,daemon/%.c,$(daemon_pure)) \
		$(patsubst %,%.c,$(lib))
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -MMD -MP,$(CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^ $(DAEMON_LIBS)

.PHONY: fuzz
fuzz: $(OBJ)/fuzz/qmp
	$(Q)for fuzzer in $^; do \
		$$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -verbosity=0 \
			-artifact_prefix=$(OBJ)/fuzz/ || exit 1; \
	done
