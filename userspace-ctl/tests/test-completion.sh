#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion as bash would ask for it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../completion/pagefoldctl"
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
bad=0 number=0
mkdir -p "$root/sys/kernel/pagefold/vms"/{812,900,901}
echo web-1 >"$root/sys/kernel/pagefold/vms/812/name"
echo web-2 >"$root/sys/kernel/pagefold/vms/900/name"
# What no module would call a VM must not reach the shell, whose completion expands words.
echo "\$(touch\${IFS}$root/expanded)" >"$root/sys/kernel/pagefold/vms/901/name"

# expect WANT WORDS…: the last word is the one that is being completed.
expect()
{
	local want=$1 got

	shift
	COMP_WORDS=(pagefoldctl --sysroot "$root" "$@")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	_pagefoldctl
	got=${COMPREPLY[*]}
	number=$((number + 1))
	if [ "$got" = "$want" ]; then
		echo "ok $number $*"
	else
		bad=1
		echo "# got '$got', want '$want'"
		echo "not ok $number $*"
	fi
}

echo 'KTAP version 1'
expect 'target' ta
expect 'record' rec
expect 'web-1 web-2' target web
expect 'web-1 812 web-2 900 901' target ''
expect 'auto' target web-1 ''
expect '' target web-1 auto ''
expect 'on off unfold' run ''
expect 'off' run of
expect '812 900 901' unregister ''
expect 'unfold' unregister 812 ''
expect 'web-1 web-2' set web
expect 'share=' set web-1 sh
expect 'policy=madvise policy=always' set web-1 name=x pol
expect 'wss_samples= wss_period_ms= wss_cpu_permille=' set --module wss
expect '--record' events --rec
expect '--risk --reserve' plan --r
expect '' status ''
expect '' events --count 5 ''
number=$((number + 1))
if [ -e "$root/expanded" ]; then
	bad=1
	echo "not ok $number a name was taken for a command"
else
	echo "ok $number no name is taken for a command"
fi
echo "1..$number"
exit $bad
