#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One case by one engine in the virtual host, and where the kernel and the module lie there, for profile.awk.
#
# usage: profile-in-host.sh CASE:PAGES:ENGINE, as fold-in-host.sh has it
set -u

grep -v '\[' /proc/kallsyms >/files/kernel.syms
until [ -e /sys/module/pagefold/sections/.text ]; do
	sleep 0.1
done && cat /sys/module/pagefold/sections/.text >/files/module.text &
/files/fold-in-host.sh "$1"
