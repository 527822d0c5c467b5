#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Four guests of 768 MiB on a host of 2 GiB. One after the other uses most of its RAM and frees it again, of which
# the host learns nothing: it would have to swap what nobody needs. With pagefoldd, and our driver in the guests,
# every guest does its work, and right; what the same costs in other ways is told beside it.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"
. "$(dirname "$0")/overcommit.lib.sh"

[ -x "$daemon" ] || skip_all 'no pagefoldd was built'
ROUNDS=20	# of 64 pages that each works on after its job
STANDSTILL=120	# seconds for a job that takes 10 to 30
STATIC=400	# MiB that a guest keeps when all get the same

vmstat_mib()
{
	awk -v key="$1" '$1 == key { print int($2 / 256) }' /proc/vmstat
}

start_all()
{
	swap_on && start_guests_of "${guests[@]}" && manage_all
}

oom_kills()
{
	awk '$1 == "oom_kill" { print $2 }' /proc/vmstat
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
	local how=$1 name mib began before=${EPOCHREALTIME/.}

	shift
	got=0 swapped=$(vmstat_mib pswpout)
	for name; do
		began=${EPOCHREALTIME/.}
		mib=$(pf-guest waste "$name" $JOB) || return 1
		got=$((got + mib))
		note "$name had $mib MiB in $(((${EPOCHREALTIME/.} - began) / 1000)) ms"
		figures
	done
	took=$(((${EPOCHREALTIME/.} - before) / 1000 / $#)) swapped=$(($(vmstat_mib pswpout) - swapped))
	note "$how: $# jobs got $got of $((JOB * $#)) MiB, $took ms for each, swapped out $swapped MiB"
}

# Their own work goes on, and what it left is right.
all_work()
{
	local name goal=()

	for name; do
		goal+=($(($(pf-guest rounds "$name") + ROUNDS)))
	done
	for name; do
		until_true further "$name" "${goal[0]}" || return 1
		goal=("${goal[@]:1}")
	done
	verify_guests "$@"
}

# Everybody gets all that he asks for, more than the host has.
with_pagefoldd()
{
	do_jobs 'with pagefoldd' "${guests[@]}" && all_work "${guests[@]}" || return 1
	with=$swapped
	expect [ "$got" = $((JOB * ${#guests[@]})) ] && expect [ "$with" -lt 50 ]
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
	kill -0 "$pid" && expect [ "$(oom_kills)" = 0 ] && return $bad
}

# set_all MIB GUEST…: an operator sets targets, by which the balloons go.
set_all()
{
	local name limit=$1 balloon=$(($1 < RAM ? (RAM - $1) / 2 : 0))

	shift
	for name; do
		pf_set "vms/$(pf-guest pid "$name")/target_bytes" $((limit * MIB)) || return 1
	done
	for name; do
		until_true balloon_is_about "$name" $balloon || return 1
	done
}

# Half of what a balloon is to hold is good enough; but nothing is nothing.
balloon_is_about()
{
	local mib=$(($(pf_get "vms/$(pf-guest pid "$1")/balloon_bytes") / MIB))

	[ "$2" = 0 ] && [ $mib = 0 ] || { [ "$2" != 0 ] && [ $mib -ge "$2" ]; }
}

ksm_mib()
{
	echo $(($(cat /sys/kernel/mm/ksm/pages_sharing) / 256))
}

ksm_saves()
{
	[ "$(ksm_mib)" -ge "$1" ]
}

# The same memory for everybody, by the driver in the kernel, and KSM: a job does not get what it asks for, however
# much others have idle, and if it insists its guest runs out of memory.
with_ksm_and_static_balloons()
{
	local began

	pf-guest stop o1 && start_stock s1 && guests=(o2 o3 o4) || return 1
	until_true balloons_answer 4 && set_all $STATIC s1 "${guests[@]}" && stop_daemon && pf_unload || return 1
	echo 5000 >/sys/kernel/mm/ksm/pages_to_scan && echo 1 >/sys/kernel/mm/ksm/run || return 1
	until_true ksm_saves 4 || return 1
	began=${EPOCHREALTIME/.}
	got=$(pf-guest waste s1 $JOB 2>/dev/null) || got=0
	note "with KSM and static balloons: a job got $got of $JOB MiB, after $(((${EPOCHREALTIME/.} - began) / 1000)) ms"
	note "KSM saves $(ksm_mib) MiB"
	echo 2 >/sys/kernel/mm/ksm/run
	pf-guest drop s1 && expect [ "$got" -lt $JOB ] && verify_guests "${guests[@]}"
}

# With balloons empty everybody gets all that he wants, and the host swaps what nobody needs any more; it may even
# have to kill somebody. That is the next one's job then, who is not waited for.
with_swap_alone()
{
	local name

	pf_load && start_daemon && until_true balloons_answer ${#guests[@]} && set_all $RAM "${guests[@]}" &&
		stop_daemon && pf_unload || return 1
	for name in "${guests[@]}"; do
		do_jobs 'with swap alone' "$name" 2>/dev/null || break
		[ "$swapped" -le 100 ] || break
	done
	swapped=$(vmstat_mib pswpout)
	note "with swap alone: swapped out $swapped MiB, $(oom_kills) killed"
	expect [ "$swapped" -gt $((with * 2 + 100)) ] || expect [ "$(oom_kills)" -gt 0 ]
}

# With nothing at all the kernel kills a guest, as soon as there are enough that use what they were promised; or the
# host reads its programs from disk again and again, and nobody gets anywhere. One goes first, or what is in swap has
# no room.
with_nothing()
{
	local name got dead before

	pf-guest kill o2 && swapoff /dev/zram0 || return 1
	before=$(oom_kills)
	for name in s5 s6 s7; do
		figures
		start_stock $name 2>/dev/null || [ "$(oom_kills)" -gt "$before" ] || return 1
		got=$(PF_GUEST_LIMIT=$STANDSTILL pf-guest waste $name $JOB 2>/dev/null) || got=0
		[ "$(oom_kills)" = "$before" ] && [ "$got" = $JOB ] || break
	done
	[ "$got" = $JOB ] || pf-guest drop $name
	dead=$(pf-guest list | awk '$3 == "dead" { printf "%s ", $1 }')
	note "with nothing: $name got $got MiB, $(($(oom_kills) - before)) killed: ${dead:-$name}"
	expect [ "$(oom_kills)" -gt "$before" ] || expect [ "$got" -lt $JOB ]
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
