#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Followers: what changes in a made-up /sys is told, and so is what stands in the record of a daemon,
# when the record is there from the start, comes later, is made anew or has a line that is none.
#
# usage: test-events.sh PAGEFOLDCTL
set -u
ctl=${1:?usage: test-events.sh PAGEFOLDCTL}
root=$(mktemp -d) || exit 1
sys=$root/sys/kernel/pagefold
follower=
trap 'kill $follower 2>/dev/null; rm -rf "$root"' EXIT
exec {tick}<> <(:)
number=0 bad=0
now='"time_ms":1795262400000'

ok()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		bad=1
		sed 's/^/# /' "$root/out"
		echo "not ok $number $2"
	fi
}

# told TEXT: within a minute, for a slow machine.
told()
{
	local end=$((SECONDS + 60))

	until grep -q -F -- "$1" "$root/out"; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 -u "$tick"
	done
	return 0
}

# change FILE TEXT: again and again to something else until the follower tells TEXT; its first reading
# is of what was there before it came.
change()
{
	local end=$((SECONDS + 60)) i=0

	until grep -q -F -- "$2" "$root/out"; do
		[ $SECONDS -lt $end ] || return 1
		i=$((i + 1))
		# Whole or not at all, as sysfs is.
		echo "$i" >"$root/new" && mv "$root/new" "$sys/$1"
		read -r -t 0.2 -u "$tick"
	done
	return 0
}

follow()
{
	[ -z "$follower" ] || { kill $follower; wait $follower 2>/dev/null; }
	"$ctl" --sysroot "$root" events --interval 0.1 --record "$root/record" "$@" \
		>"$root/out" 2>&1 &
	follower=$!
}

vm()
{
	mkdir -p "$root/vm"
	printf '%s\n' "$2" >"$root/vm/name"
	printf 'default\n' >"$root/vm/domain"
	printf 'madvise\n' >"$root/vm/policy"
	printf 'none\n' >"$root/vm/state"
	printf '0\n' >"$root/vm/target_bytes"
	mv "$root/vm" "$sys/vms/$1"
}

echo 'KTAP version 1'
mkdir -p "$sys/vms"
echo 1 >"$sys/run"
vm 812 web-1
follow --json
change vms/812/target_bytes '"event":"vm-target"'
ok $? 'a target that changes'
vm 900 db
told '"event":"vm-add"' && told '"pid":900,"name":"db"'
ok $? 'a VM that comes'
echo balloon >"$root/new" && mv "$root/new" "$sys/vms/900/state"
told '"event":"vm-state"' && told '"text":"none -> balloon"'
ok $? 'a state that changes'
mv "$sys/vms/900" "$root/gone"
told '"event":"vm-del"'
ok $? 'a VM that goes'
echo 0 >"$root/new" && mv "$root/new" "$sys/run"
told '"event":"run"' && told '"text":"1 -> 0"'
ok $? 'a module that stops'
decision="{\"type\":\"decision\",$now,\"pid\":812,\"name\":\"web-1\",\"rung\":\"balloon\""
printf '%s,"from_bytes":0,"to_bytes":1073741824,"why":"first"}\n' "$decision" >"$root/record"
told '"why":"first"'
ok $? 'a decision in a record that comes later'
printf '%s,"why":"half' "$decision" >>"$root/record"
printf ' and half"}\n{"type":"vm",%s,"pid":812,"name":"web-1"}\nnonsense\n' "$now" >>"$root/record"
told '"why":"half and half"' && told bad-record && ! grep -q '"type":"vm"' "$root/out"
ok $? 'a line that comes in two parts, and one that is none'
printf '%s,"why":"anew"}\n' "$decision" >"$root/new" && mv "$root/new" "$root/record"
told '"why":"anew"'
ok $? 'a record that is made anew'
# Every line is a record of its own.
others=$(grep -c -v '^{"type":"\(event\|decision\)","time_ms":[0-9]*,.*}$' "$root/out")
[ "$others" = 0 ]
ok $? 'every line of it is a line of a record'

printf '%s,"why":"old"}\n' "$decision" >"$root/record"
follow --count 3
change vms/812/target_bytes 'vm-target: '
printf '%s,"from_bytes":0,"to_bytes":1073741824,"freed_bytes":4096,"why":"new"}\n' "$decision" \
	>>"$root/record"
told 'web-1 (812) balloon: target none -> 1GiB, freed 4KiB, new'
ok $? 'words for people'
! grep -q old "$root/out"
ok $? 'what stood in the record before is not told'
change vms/812/target_bytes never 2>/dev/null & changer=$!
wait $follower
status=$?
kill $changer
follower=
[ $status = 0 ] && [ "$(wc -l <"$root/out")" = 3 ]
ok $? 'it ends after as many as it was told to'
echo "1..$number"
exit $bad
