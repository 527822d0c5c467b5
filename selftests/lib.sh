# SPDX-License-Identifier: GPL-2.0-only
# What every selftest script shares: subtests, waiting on counters, the module.
#
# A script calls `plan N`, then `result STATUS NAME` N times, then `finish`. Waiting goes through
# until_true, never on time: its limit only ends what will not happen any more.
# shellcheck shell=bash

set -u
export LC_ALL=C
PF_SYS=/sys/kernel/pagefold
PF_MODULES=${PF_MODULES:-/modules}
PF_SCALE=${PF_SCALE:-1}
here=$(cd "$(dirname "$0")" && pwd)
number=0 failed=0 passed=0 skipped=0
# A pipe that nobody writes to: reading it with a limit is how a poll pauses.
exec {tick}<> <(:)

plan()
{
	echo 'TAP version 13'
	echo "1..$1"
}

note()
{
	echo "# $*"
}

result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "ok $number $2"
	elif [ "$1" = 4 ]; then
		skipped=$((skipped + 1))
		echo "ok $number $2 # SKIP"
	else
		failed=$((failed + 1))
		echo "not ok $number $2"
	fi
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

finish()
{
	echo "# Totals: pass:$passed fail:$failed skip:$skipped"
	[ "$failed" = 0 ] || exit 1
	exit 0
}

# Complain unless the command holds; for use inside a subtest's function: `expect … || bad=1`.
expect()
{
	"$@" && return
	note "does not hold: $*"
	return 1
}

# until_true COMMAND…: not for longer than the limit, nor for what will not come any more, where somebody says so.
until_true()
{
	local end=$((SECONDS + ${PF_LIMIT:-300}))

	while ! "$@"; do
		[ $SECONDS -lt $end ] || { note "not within the limit: $*"; return 1; }
		! declare -F in_vain >/dev/null || ! in_vain || { note "in vain: $*"; return 1; }
		read -r -t 0.05 -u "$tick"
	done
	return 0
}

# run_subtests NAME…: functions, each a subtest; without the first, which sets up, there are no others. What
# went wrong may be told by $log, when that is a file.
run_subtests()
{
	local name status began

	plan $#
	for name; do
		began=$SECONDS
		"$name"
		status=$?
		note "$name took $((SECONDS - began)) s"
		[[ $status == [04] ]] || [ -z "${log-}" ] || tail -n 25 "$log" | sed 's/^/# log: /'
		result $status "$name"
		[ $status = 0 ] || [ "$name" != "$1" ] || finish
	done
}

pf_get()
{
	cat "$PF_SYS/$1"
}

pf_set()
{
	echo "$2" >"$PF_SYS/$1" || { note "cannot write '$2' to $1"; return 1; }
}

# Is attribute $1 at least $2?
at_least()
{
	[ "$(pf_get "$1")" -ge "$2" ]
}

equals()
{
	[ "$(pf_get "$1")" = "$2" ]
}

pf_load()
{
	insmod "$PF_MODULES/pagefold.ko" || return 1
	pf_set pass_interval_ms 0 && pf_set cpu_percent 100
}

pf_unload()
{
	rmmod pagefold
}

# Wait until VM $1 has finished $2 passes that began after this call.
vm_passes()
{
	local goal

	goal=$(($(pf_get "vms/$1/passes") + $2 + 1))
	until_true at_least "vms/$1/passes" "$goal"
}

# A test begins without the module; the demo's balloon, which is none, sets PF_KEEP.
[ -n "${PF_KEEP-}" ] || [ ! -d "$PF_SYS" ] || rmmod pagefold
