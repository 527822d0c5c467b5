#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Four guests of 768 MiB on a host of 2 GiB. One after the other uses most of its RAM and frees it again, of which
# the host learns nothing: it would have to swap what nobody needs. With pagefoldd every guest does its work, and
# right; what the same costs in other ways is told beside it.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"
. "$(dirname "$0")/overcommit.lib.sh"

[ -x "$daemon" ] || skip_all 'no pagefoldd was built'
ROUNDS=20	# of 64 pages that each works on after its job
STATIC=400	# MiB that a guest keeps when all get the same

vmstat_mib()
{
	awk -v key="$1" '$1 == key { print int($2 / 256) }' /proc/vmstat
}

figures()
{
	note "available $(meminfo MemAvailable) of $(meminfo MemTotal) MiB, in swap $(in_swap)"
	[ ! -d "$PF_SYS" ] || note "guests use $(sum_of usage_bytes), balloons $(sum_of balloon_bytes)," \
		"targets $(sum_of target_bytes), working sets $(sum_of wss_bytes)"
}

further()
{
	[ "$(pf-guest rounds "$1")" -ge "$2" ]
}

# do_jobs HOW GUEST…: the job of each, one after the other, and everybody's work after that. Into $took, in ms for a
# job, $got and $swapped, in MiB.
do_jobs()
{
	local how=$1 name mib goal=() began=${EPOCHREALTIME/.}

	shift
	got=0 swapped=$(vmstat_mib pswpout)
	for name; do
		mib=$(pf-guest waste "$name" $JOB) || return 1
		got=$((got + mib))
		figures
	done
	for name in "${guests[@]}"; do
		goal+=($(($(pf-guest rounds "$name") + ROUNDS)))
	done
	for name in "${!guests[@]}"; do
		until_true further "${guests[name]}" "${goal[name]}" || return 1
	done
	took=$(((${EPOCHREALTIME/.} - began) / 1000 / $#)) swapped=$(($(vmstat_mib pswpout) - swapped))
	note "$how: $# jobs got $got of $((JOB * $#)) MiB, $took ms for each, swapped out $swapped MiB"
	verify_guests "${guests[@]}"
}

# Everybody gets all that he asks for, more than the host has.
with_pagefoldd()
{
	do_jobs 'with pagefoldd' "${guests[@]}" || return 1
	with=$swapped
	expect [ "$got" = $((JOB * ${#guests[@]})) ]
}

# More was used than the host has; balloons hold what nobody needs, and the host is not short any more.
host_recovers()
{
	until_true balloons_hold 200 && until_true host_is high
	local bad=$?

	figures
	return $bad
}

balloons_hold()
{
	[ "$(sum_of balloon_bytes)" -ge "$1" ]
}

rungs_are_recorded()
{
	note "freed: $(freed_by_rungs | tr '\n' ' ')"
	grep -q 'rung="balloon"} [1-9]' "$metrics"
}

nobody_was_killed()
{
	local name bad=0

	for name in "${guests[@]}"; do
		expect kill -0 "$(pf-guest pid "$name")" || bad=1
	done
	kill -0 "$pid" && expect [ "$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)" = 0 ] && return $bad
}

# An operator sets every target to so many MiB, by which the balloons go.
set_all()
{
	local name balloon=$(($1 < RAM ? (RAM - $1) / 2 : 0))

	for name in "${guests[@]}"; do
		pf_set "vms/$(pf-guest pid "$name")/target_bytes" $(($1 * MIB)) || return 1
	done
	for name in "${guests[@]}"; do
		until_true balloon_is_about "$name" $balloon || return 1
	done
}

# Half of what a balloon is to hold is good enough; but nothing is nothing.
balloon_is_about()
{
	local mib=$(($(pf_get "vms/$(pf-guest pid "$1")/balloon_bytes") / MIB))

	[ "$2" = 0 ] && [ $mib = 0 ] || { [ "$2" != 0 ] && [ $mib -ge "$2" ]; }
}

# The same memory for everybody, and KSM: a job does not get what it asks for, however much others have idle.
with_ksm_and_static_balloons()
{
	set_all $STATIC && stop_daemon && pf_unload || return 1
	echo 500 >/sys/kernel/mm/ksm/pages_to_scan && echo 1 >/sys/kernel/mm/ksm/run || return 1
	do_jobs 'with KSM and static balloons' o1
	local bad=$?

	note "KSM saves $(($(cat /sys/kernel/mm/ksm/pages_sharing) / 256)) MiB"
	echo 2 >/sys/kernel/mm/ksm/run
	expect [ "$got" -lt $JOB ] && return $bad
}

# Swap alone: everybody gets all, and the host swaps what nobody needs any more.
with_swap_alone()
{
	pf_load && start_daemon && until_true balloons_answer ${#guests[@]} && set_all $RAM && stop_daemon &&
		pf_unload && do_jobs 'with swap alone' "${guests[@]}" || return 1
	expect [ "$swapped" -gt 100 ] && expect [ "$swapped" -gt $((with * 2)) ]
}

oom_kills()
{
	[ "$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)" -ge "$1" ]
}

# With nothing at all the kernel kills a guest. Two are enough to begin with: what they used they have still.
with_nothing()
{
	local dead

	pf-guest kill o1 && pf-guest kill o2 && swapoff /dev/zram0 && start_guest o5 || return 1
	figures
	(pf-guest waste o5 $JOB) 2>/dev/null
	(pf-guest waste o3 $JOB) 2>/dev/null
	figures
	until_true oom_kills 1 || return 1
	dead=$(pf-guest list | awk '$3 == "dead" { print $1 }')
	note "with nothing: killed $dead"
	expect [ -n "$dead" ]
}

all_end_well()
{
	local name bad=0

	for name in $(pf-guest list | awk '$3 == "alive" { print $1 }'); do
		verify_guests "$name" && pf-guest stop "$name" || bad=1
	done
	return $bad
}

subtests=(start_all with_pagefoldd host_recovers rungs_are_recorded nobody_was_killed with_ksm_and_static_balloons
	with_swap_alone with_nothing all_end_well)
run_subtests "${subtests[@]}"
finish
