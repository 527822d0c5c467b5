#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The part of the benchmark that runs in the virtual host: one engine on one kind of memory after the other.
#
# Each in a process of its own, so that nothing of one figure is left when the next is measured.
# usage: fold-in-host.sh CASE:PAGES:ENGINE…	ENGINE is d default, t tuned, p Pagefold, h Pagefold's holds of
# the lock
set -u

declare -A engines=([d]=ksm_default [t]=ksm_tuned [p]=pagefold [h]=holds)
for spec; do
	IFS=: read -r work pages letter <<<"$spec"
	/files/fold "$work" "${engines[$letter]}" "$pages" || exit 1
	echo "@done $spec"
done
