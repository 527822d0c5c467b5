# SPDX-License-Identifier: GPL-2.0-only
# The functions of guest.lib.sh for a real KVM guest inside the virtual host. Sourced after lib.sh.
#
# The guest has the virtual host's own kernel, so that the driver built for it fits, and the agent.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by guest.lib.sh and by those who source this

PF_TOP=/host PF_BUILD=/tmp/balloon BALLOON_LOGS=/log TROUBLE=/host/trouble
BOOT_KERNEL=/host/balloon/vmlinux BOOT_INITRD=/host/balloon/initrd
KERNEL=$PF_KERNEL QEMU=qemu-system-x86_64 MACHINE=pc ACCEL=kvm CPU=host
# TCG's SVM does not intercept XSETBV, see pf-guest; and without XSAVE Linux 7 still uses the AVX that it is shown.
[ "${PF_ACCEL-}" = tcg ] && CPU=host,-xsave,-avx
# A character on the console costs milliseconds there, so the guest is told to be silent.
BOOT_SILENCE=180
QUIET='loglevel=4 init_on_alloc=0'
mkdir -p "$PF_BUILD/run"
. /host/balloon/guest.lib.sh
