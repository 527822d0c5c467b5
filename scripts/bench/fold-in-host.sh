#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The part of the benchmark that runs in the virtual host: every engine on every kind of memory.
#
# Each in a process of its own, so that nothing of one figure is left when the next is measured.
# usage: fold-in-host.sh ORDER [CASE:PAGES:ENGINES]…	ENGINES are a letter each: d default, t tuned, p Pagefold;
# ORDER is 'forth' or 'back': which of them comes first must not matter.
set -u

order=$1
shift
declare -A engines=([d]=ksm_default [t]=ksm_tuned [p]=pagefold)
for spec; do
	IFS=: read -r work pages letters <<<"$spec"
	[ "$order" = forth ] || letters=$(rev <<<"$letters")
	for ((i = 0; i < ${#letters}; i++)); do
		/files/fold "$work" "${engines[${letters:i:1}]}" "$pages" || exit 1
	done
	echo "@done $spec"
done
