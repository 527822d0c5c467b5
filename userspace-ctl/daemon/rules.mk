# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd: included by the Makefile above, whose variables it uses.
#
#   make fuzz-daemon [FUZZ_SECONDS=3600]    libFuzzer over its parsers, wants clang
#   make test-libvirt                       with guests of a real libvirtd, under TCG: minutes

daemon_pure := policy ladder qmp conf vmm given timer uevent pager aside kvm
# libvirt itself is loaded when the first guest needs it: built in when its headers are there.
comma := ,
HAVE_LIBVIRT := $(shell pkg-config --exists libvirt 2>/dev/null && echo y)
override CFLAGS += $(if $(HAVE_LIBVIRT),-DHAVE_LIBVIRT)
libvirt_o := daemon/link.o daemon/daemon.o doctor-qmp.o tests/test-doctor.o
daemon	:= $(daemon_pure) $(if $(HAVE_LIBVIRT),virt) diary link guest daemon enrol textfile main
daemon_tests := test-policy test-ladder test-qmp test-conf test-timer test-uevent test-pager test-aside test-enrol
# No library that only pagefoldctl needs: the daemon stays in memory.
daemon_lib := err registration config process sysfs size memory vm record sample
DAEMON_LIBS := -ljson-c -linih -lsystemd -lpthread
asan_daemon_lib_o := $(patsubst %,$(OBJ)/asan/%.o,$(daemon_lib))

all: $(OUT)/pagefoldd

# What was built with headers that have gone, or before they came, is built anew.
$(OBJ)/have-libvirt: FORCE
	@mkdir -p $(@D)
	@echo '$(HAVE_LIBVIRT)' | cmp -s - $@ || echo '$(HAVE_LIBVIRT)' >$@
FORCE:
$(addprefix $(OBJ)/,$(libvirt_o)) $(addprefix $(OBJ)/asan/,$(libvirt_o)): $(OBJ)/have-libvirt

$(OUT)/pagefoldd: $(patsubst %,$(OBJ)/daemon/%.o,$(daemon)) $(patsubst %,$(OBJ)/%.o,$(daemon_lib))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# What is loaded later lacks ASan's wrappers of XDR: they are there for what is linked.
$(OBJ)/asan/pagefoldd: $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon)) $(asan_daemon_lib_o)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(DAEMON_LIBS) \
		$(if $(HAVE_LIBVIRT),-Wl$(comma)--no-as-needed -lvirt)

asan_daemon_o := $(patsubst %,$(OBJ)/asan/daemon/%.o,$(daemon_pure))

$(patsubst %,$(OBJ)/asan/%,$(daemon_tests)): $(OBJ)/asan/test-%: $(OBJ)/asan/daemon/tests/test-%.o \
		$(asan_daemon_o) $(asan_daemon_lib_o)
	$(Q)$(CC) $(SANITIZE) $(WRAP) -o $@ $^ $(DAEMON_LIBS)

# It plays a record again.
$(OBJ)/asan/test-policy: $(OBJ)/asan/timeline.o

# It decides how long that takes, and counts.
$(OBJ)/asan/test-enrol: $(OBJ)/asan/daemon/enrol.o
$(OBJ)/asan/test-enrol: WRAP := -Wl,--wrap=process_has_kvm

$(OBJ)/asan/fake-%: daemon/tests/fake-%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $<

# End to end without sanitizers, which would only hide what the daemon costs; and once with them.
.PHONY: test-daemon test-daemon-asan
test-daemon: all $(OBJ)/asan/fake-vms $(OBJ)/asan/fake-notify
	$(Q)daemon/tests/test-daemon.sh $(OUT)/pagefoldd $(OBJ)/asan/fake-vms
test-daemon-asan: $(OBJ)/asan/pagefoldd $(OBJ)/asan/pagefoldctl $(OBJ)/asan/fake-vms
	$(Q)daemon/tests/test-daemon.sh $(OBJ)/asan/pagefoldd $(OBJ)/asan/fake-vms \
		hand_set_is_kept hostile_peers_block_nobody bad_configuration_is_refused \
		paging_brings_it_to_its_target who_survives_the_end_is_seen_again vms_come_and_go \
		a_run_can_be_reported who_stands_already_stands there_is_but_one \
		a_vm_that_hangs_holds_up_nobody

# Not one of test's: it wants the machine for itself, and scripts/check has a job for it, which has to know
# of 4, that it was skipped.
.PHONY: test-libvirt libvirt-wants
libvirt-wants: $(OUT)/pagefoldd $(OBJ)/asan/pagefoldd $(OBJ)/asan/fake-vms
test-libvirt: libvirt-wants
	$(Q)daemon/tests/test-libvirt.sh $(OUT)/pagefoldd $(OBJ)/asan/pagefoldd $(OBJ)/asan/fake-vms || [ $$? = 4 ]

# run takes every test-* there is.
test-programs: $(patsubst %,$(OBJ)/asan/%,$(daemon_tests))
test: test-daemon test-daemon-asan fuzz-daemon

$(OBJ)/fuzz/daemon-%: daemon/fuzz-%.c $(patsubst %,daemon/%.c,$(daemon_pure)) \
		$(patsubst %,%.c,$(daemon_lib))
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -MMD -MP,$(CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^ $(DAEMON_LIBS)

.PHONY: fuzz-daemon
fuzz-daemon: $(OBJ)/fuzz/daemon-qmp $(OBJ)/fuzz/daemon-conf
	$(Q)daemon/tests/fuzz $^ $(FUZZ_SECONDS)

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
