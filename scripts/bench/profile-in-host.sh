#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One case by Pagefold in the virtual host, and where the kernel and the module lie there, for profile.awk.
set -u

grep -v '\[' /proc/kallsyms >/files/kernel.syms
until [ -e /sys/module/pagefold/sections/.text ]; do
	sleep 0.1
done && cat /sys/module/pagefold/sections/.text >/files/module.text &
/files/fold "$1" pagefold "$2"
