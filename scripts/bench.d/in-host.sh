#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The part of the benchmark that runs in the virtual host: every engine on every kind of memory.
#
# Each in a process of its own, so that nothing of one figure is left when the next is measured.
# usage: in-host.sh [CASE]…
set -u

[ $# -gt 0 ] || set -- copies pairs unique last8 zero
for work; do
	for engine in ksm_default ksm_tuned pagefold; do
		/files/fold "$work" "$engine" || exit 1
	done
done
