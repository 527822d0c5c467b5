# SPDX-License-Identifier: GPL-2.0-only
# Entry to everything: each target is one command of the project, kernels are chosen by KERNEL=.
#
# The work is done by scripts that can be called without make; they install what is missing, fetch and
# build once into build/, and take locks, so targets may run at the same time.
KERNEL ?= 6.12
DEBUG ?=
W ?=
export KERNEL

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

tidy:
	rm -rf $(filter-out build/kernels,$(wildcard build/*))

clean:
	rm -rf build

.PHONY: help modules selftests ctl demo check check-long bench bench-fold bench-balloon vm-shell tidy clean
