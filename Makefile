# SPDX-License-Identifier: GPL-2.0-only
# Entry to everything: each target is one command of the project, kernels are chosen by KERNEL=.
#
# The work is done by scripts that can be called without make; they install what is missing, fetch and
# build once into build/, and take locks, so targets may run at the same time.
KERNEL ?= 6.12
DEBUG ?=
W ?=
export KERNEL
# For make install; a PREFIX of one's own wants dkms and modprobe told where to look.
DESTDIR ?=
PREFIX ?= /usr
SYSCONFDIR ?= /etc
INSTALL_OUT ?= $(CURDIR)/build/install
VERSION := $(shell sed -n 's/^.define PF_VERSION "\(.*\)"$$/\1/p' userspace-ctl/cmd.h)

debug := $(if $(filter-out 0,$(DEBUG)),--debug)
strict := $(if $(filter-out 0,$(W)),--strict)

help:
	@echo 'make demo               three KVM guests folded before your eyes, one ballooned down and back'
	@echo 'make check              every test; K=name runs one, KERNEL=7 the newest kernel'
	@echo 'make check-long         the storms and soaks that take too long for make check'
	@echo 'make bench-fold         instructions beside mainline KSM, on 6.12 and 6.1, against the goals'
	@echo 'make bench-balloon      our balloon beside the in-tree driver, on 6.1 and 6.12'
	@echo 'make bench              both'
	@echo 'make modules            build/KERNEL/pagefold.ko; DEBUG=1 build/KERNEL-debug; W=1 strict'
	@echo 'make selftests, ctl     what runs inside the virtual host, into build/'
	@echo 'make install            the tools, the daemon, and the modules as source for DKMS; DESTDIR, PREFIX'
	@echo 'make uninstall          takes that away again, and leaves /etc'
	@echo 'make vm-shell           a prompt in the virtual host; DEBUG=1, VM="--npt 0 --memory 2G"'
	@echo 'make clean              remove build/ (with fetched kernels); make tidy keeps those'
	@echo 'KERNEL is one of 6.1, 6.12 (default), 7'

modules:
	@scripts/vm/modules $(debug) $(strict) $(KERNEL)

selftests ctl:
	@scripts/vm/tools $@

demo check check-long:
	@scripts/$@

# On 6.1 and 6.12 both, unless a kernel is asked for
bench-fold:
	@scripts/bench-fold $(if $(filter-out file,$(origin KERNEL)),$(KERNEL))

bench-balloon:
	@scripts/bench-balloon $(if $(filter-out file,$(origin KERNEL)),$(KERNEL))

bench: bench-fold bench-balloon

vm-shell:
	@scripts/vm/run --kernel $(KERNEL) $(debug) $(VM) --shell

# Nothing is fetched here and nothing is loaded: it is for a package or an operator to say when.
tools	= $(MAKE) -C userspace-ctl OUT=$(INSTALL_OUT) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR)
dkms	= $(DESTDIR)$(PREFIX)/src/pagefold-$(VERSION)
doc	= $(DESTDIR)$(PREFIX)/share/doc/pagefold
source	= $(shell find Kbuild module virtio-balloon-guest -type f ! -path '*/tests/*' \
	  \( -name '*.[ch]' -o -name Kbuild -o -name '*.mk' \))
docs	= README.md module/Documentation/design.rst virtio-balloon-guest/Documentation/PROTOCOL.rst \
	  $(wildcard */Documentation/ABI/testing/*)
balloon_conf = $(DESTDIR)$(PREFIX)/lib/modprobe.d/pagefold_balloon.conf
balloon_man = $(DESTDIR)$(PREFIX)/share/man/man4/pagefold_balloon.4

install:
	$(tools) install
	@$(foreach f,$(source),install -D -m 644 $(f) $(dkms)/$(f) &&) :
	sed 's/@VERSION@/$(VERSION)/' dkms.conf.in >$(dkms)/dkms.conf
	chmod 644 $(dkms)/dkms.conf
	install -D -m 644 COPYING $(dkms)/COPYING
	install -D -m 644 virtio-balloon-guest/modprobe.d/pagefold_balloon.conf $(balloon_conf)
	install -D -m 644 virtio-balloon-guest/Documentation/pagefold_balloon.4 $(balloon_man)
	install -d $(doc)
	install -m 644 $(docs) $(doc)

uninstall:
	$(tools) uninstall
	rm -rf $(dkms) $(doc)
	rm -f $(balloon_conf) $(balloon_man)

tidy:
	rm -rf $(filter-out build/kernels,$(wildcard build/*))

clean:
	rm -rf build

.PHONY: help modules selftests ctl demo check check-long bench bench-fold bench-balloon vm-shell install uninstall tidy clean
