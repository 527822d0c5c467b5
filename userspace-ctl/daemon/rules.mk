# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd: included by the Makefile above, whose variables it uses.
#
#   make fuzz-daemon [FUZZ_SECONDS=3600]    libFuzzer over its parsers, wants clang

daemon_pure := policy ladder qmp conf vmm given
daemon	:= $(daemon_pure) diary link pager guest daemon enrol textfile main
daemon_tests := test-policy test-ladder test-qmp test-conf
# No library that only pagefoldctl needs: the daemon stays in memory.
daemon_lib := err registration config process sysfs size memory vm record
DAEMON_LIBS := -ljson-c -linih -lsystemd -lpthread -lm
asan_daemon_lib_o := $(patsubst %,$(OBJ)/asan/%.o,$(daemon_lib))

all: $(OUT)/pagefoldd

$(OUT)/pagefoldd: $(patsubst %,$(OBJ)/daemon/%.o,$(daemon)) $(patsubst %,$(OBJ)/%.o,$(daemon_lib))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(OBJ)/asan/pagefoldd: $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon)) $(asan_daemon_lib_o)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(DAEMON_LIBS)

asan_daemon_o := $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon_pure))

$(patsubst %,$(OBJ)/asan/%,$(daemon_tests)): $(OBJ)/asan/test-%: $(OBJ)/asan/daemon/tests/test-%.o \
		$(asan_daemon_o) $(asan_daemon_lib_o)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(DAEMON_LIBS)

$(OBJ)/asan/fake-vms: daemon/tests/fake-vms.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $<

# End to end without sanitizers, which would only hide what the daemon costs; and once with them.
.PHONY: test-daemon
test-daemon: $(OUT)/pagefoldd $(OBJ)/asan/pagefoldd $(OBJ)/asan/fake-vms
	$(Q)daemon/tests/test-daemon.sh $(OUT)/pagefoldd $(OBJ)/asan/fake-vms
	$(Q)daemon/tests/test-daemon.sh $(OBJ)/asan/pagefoldd $(OBJ)/asan/fake-vms \
		hand_set_is_kept hostile_peers_block_nobody bad_configuration_is_refused

# run, a recipe of the Makefile's, takes every test-* there is.
test: $(patsubst %,$(OBJ)/asan/%,$(daemon_tests)) test-daemon fuzz-daemon

$(OBJ)/fuzz/daemon-%: daemon/fuzz-%.c $(patsubst %,daemon/%.c,$(daemon_pure)) \
		$(patsubst %,%.c,$(daemon_lib))
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -MMD -MP,$(CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^ $(DAEMON_LIBS)

.PHONY: fuzz-daemon
fuzz-daemon: $(OBJ)/fuzz/daemon-qmp $(OBJ)/fuzz/daemon-conf
	$(Q)for fuzzer in $^; do \
		$$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -verbosity=0 \
			-artifact_prefix=$(OBJ)/fuzz/ || exit 1; \
	done

.PHONY: install-daemon uninstall-daemon
install: install-daemon
install-daemon: $(OUT)/pagefoldd
	install -D -m 755 $(OUT)/pagefoldd $(DESTDIR)$(PREFIX)/sbin/pagefoldd
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,/usr/sbin/,$(PREFIX)/sbin/,' daemon/pagefoldd.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/pagefoldd.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/pagefoldd.service
	install -D -m 644 man/pagefoldd.8 $(DESTDIR)$(PREFIX)/share/man/man8/pagefoldd.8
	install -D -m 644 man/pagefoldd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/pagefoldd.conf.5
	test -e $(DESTDIR)$(SYSCONFDIR)/pagefold/pagefoldd.conf || \
		install -D -m 644 daemon/pagefoldd.conf $(DESTDIR)$(SYSCONFDIR)/pagefold/pagefoldd.conf

uninstall: uninstall-daemon
uninstall-daemon:
	rm -f $(DESTDIR)$(PREFIX)/sbin/pagefoldd \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/pagefoldd.service \
		$(DESTDIR)$(PREFIX)/share/man/man8/pagefoldd.8 \
		$(DESTDIR)$(PREFIX)/share/man/man5/pagefoldd.conf.5
