# SPDX-License-Identifier: GPL-2.0-only
# A made-up host for pagefoldd: files below $root, and VMs that are processes with a monitor.
#
# Sourced by tests that set $daemon and $fakes. Waiting is for what the daemon writes; its limit only ends
# what will not happen any more.
# shellcheck shell=bash

unset JOURNAL_STREAM NOTIFY_SOCKET
LIMIT=${LIMIT:-60}
number=0 bad=0 vms=() pid=
exec {tick}<> <(:)
MIB=$((1024 * 1024))

end_all()
{
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	[ ${#vms[@]} -eq 0 ] || kill -KILL "${vms[@]}" 2>/dev/null
	wait 2>/dev/null
	pid='' vms=()
}

# A host of one's own, which goes with the process that has it.
move_in()
{
	root=$(mktemp -d) || exit 1
	sys=$root/sys/kernel/pagefold
	trap 'end_all; rm -rf "$root"' EXIT
}
move_in

# host TOTAL-MIB AVAILABLE-MIB [SWAP-MIB SWAP-FREE-MIB]
host()
{
	printf 'MemTotal: %d kB\nMemAvailable: %d kB\nSwapTotal: %d kB\nSwapFree: %d kB\n' \
		$(($1 * 1024)) $(($2 * 1024)) $((${3:-0} * 1024)) $((${4:-0} * 1024)) >"$root/proc/meminfo.new"
	mv "$root/proc/meminfo.new" "$root/proc/meminfo"
}

fresh()
{
	end_all
	rm -rf "${root:?}"/*
	mkdir -p "$sys/vms" "$root"/{proc,run,sys/fs/cgroup} "$root"/etc/pagefold/{vm.d,pagefoldd.conf.d}
	: >"$sys/register"
	echo 1 >"$sys/run"
	host 4096 100
	conf '[host]' 'interval_ms = 200' '[ladder]' 'share_s = 0' 'report_s = 0' 'deadline_s = 2'
}

conf()
{
	printf '%s\n' "$@" >"$root/etc/pagefold/pagefoldd.conf"
}

start_vms()
{
	"$fakes" "$root" "$@" &
	vms+=($!)
	disown
	until_true all_there "$1" "$2"
}

all_there()
{
	[ "$(cat "$sys"/vms/*/usage_bytes 2>/dev/null | wc -l)" -ge 1 ] &&
		[ "$(grep -l "^$1-" "$sys"/vms/*/name 2>/dev/null | wc -l)" -ge "$2" ]
}

start_daemon()
{
	"$daemon" --sysroot "$root" >"$root/out" 2>>"$root/log" &
	pid=$!
	disown
}

stop_daemon()
{
	kill "-${1:-TERM}" "$pid"
	until_true gone "$pid" || return
	pid=
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

until_true()
{
	local end=$((SECONDS + LIMIT))

	while ! "$@"; do
		[ $SECONDS -lt $end ] || { echo "# not within the limit: $*"; return 1; }
		read -r -t 0.05 -u "$tick"
	done
	return 0
}

expect()
{
	"$@" && return
	echo "# does not hold: $*"
	return 1
}

# dir_of NAME: the VM's directory in sysfs.
dir_of()
{
	local file

	file=$(grep -l -x "$1" "$sys"/vms/*/name) && echo "${file%/name}"
}

get()
{
	cat "$(dir_of "$1")/$2"
}

has()
{
	[ "$(get "$1" "$2")" = "$3" ]
}

below()
{
	[ "$(get "$1" "$2")" -lt "$(($3 * MIB))" ]
}

above()
{
	[ "$(get "$1" "$2")" -gt "$(($3 * MIB))" ]
}

said()
{
	grep -q -e "$1" "$root/log" 2>/dev/null
}

said_not()
{
	! said "$1"
}

said_often()
{
	[ "$(grep -c -e "$2" "$root/log" 2>/dev/null)" -ge "$1" ]
}

metric()
{
	grep -q -e "$1" "$root/metrics.prom" 2>/dev/null
}

# What pagefoldctl events and report read.
noted()
{
	grep -q -e "$1" "$root/run/pagefold/record.jsonl"
}

rounds()
{
	local n

	n=$(sed -n 's/^pagefoldd_rounds_total //p' "$root/metrics.prom" 2>/dev/null)
	[ "${n:-0}" -ge "$1" ]
}

# more_rounds N: N of them after the first time that it is asked.
more_rounds()
{
	local now

	now=$(sed -n 's/^pagefoldd_rounds_total //p' "$root/metrics.prom" 2>/dev/null)
	[ -n "$now" ] || return 1
	[ -e "$root/from" ] || echo "$now" >"$root/from"
	[ "$now" -ge $(($(cat "$root/from") + $1)) ] && rm "$root/from"
}

with_metrics()
{
	conf '[host]' 'interval_ms = 200' "metrics = /metrics.prom" '[ladder]' 'share_s = 0' 'report_s = 0' \
		'deadline_s = 2'
}

passed()
{
	[ "${EPOCHREALTIME/.}" -ge "$1" ]
}

gone_not()
{
	! gone "$1"
}

no_metric()
{
	! metric "$1"
}

# Of a build with them, which says so when it ends or dies.
sanitizers_are_content()
{
	! grep -q -e 'Sanitizer' -e 'runtime error' "$root/log" 2>/dev/null || expect false
}

# lacks WHAT: that this machine has not got it for the test, which ends with what this returns.
lacks()
{
	echo "# lacks $1"
	return 4
}

# holds FUNCTION: on a fresh host; what the daemon said is told if it does not.
holds()
{
	local status

	fresh
	"$1" && sanitizers_are_content && return
	status=$?
	[ $status != 4 ] || return 4
	sed 's/^/# log: /' "$root/log" 2>/dev/null | tail -n 15
	return 1
}

# verdict STATUS FUNCTION
verdict()
{
	number=$((number + 1))
	case $1 in
	0)	echo "ok $number $2"; return ;;
	4)	echo "ok $number $2 # SKIP"; return ;;
	esac
	bad=1
	echo "not ok $number $2"
}

# run_tests FUNCTION…: one after the other, in this process; ends the script.
run_tests()
{
	local t

	echo 'KTAP version 1'
	echo "1..$#"
	for t; do
		holds "$t"
		verdict $? "$t"
	done
	exit $bad
}

# The next one that ends, with all that it said in one piece.
reap()
{
	local ended status

	wait -n -p ended
	status=$?
	cat "$root/$ended"
	verdict $status "${running[$ended]}"
	unset "running[$ended]"
}

# run_tests_apart JOBS FUNCTION…: each on a host and in a process of its own, so many at a time, because nearly all of a
# test is waiting for the daemon's next round; ends the script.
run_tests_apart()
{
	local jobs=$1 t
	local -A running=()

	shift
	echo 'KTAP version 1'
	echo "1..$#"
	for t; do
		[ ${#running[@]} -lt "$jobs" ] || reap
		(
			exec >"$root/$BASHPID" 2>&1
			move_in
			holds "$t"
		) &
		running[$!]=$t
	done
	while [ ${#running[@]} -gt 0 ]; do
		reap
	done
	exit $bad
}
