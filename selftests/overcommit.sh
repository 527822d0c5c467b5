#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Four guests of 768 MiB on a host of 2 GiB. One after the other uses most of its RAM and frees it again, of which
# the host learns nothing: it would have to swap what nobody needs. With pagefoldd, and our driver in the guests,
# every guest does its work, and right; what the same costs in other ways is told beside it, unless PF_BESIDE is 0.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"
. "$(dirname "$0")/overcommit.lib.sh"

[ -x "$daemon" ] || skip_all 'no pagefoldd was built'
ROUNDS=20	# of 64 pages that each works on after its job
HAND=300	# MiB that an operator leaves to a guest
STATIC=400	# MiB that a guest keeps when all get the same
LRU=/sys/kernel/mm/lru_gen

vmstat_mib()
{
	awk -v key="$1" '$1 == key { print int($2 / 256) }' /proc/vmstat
}

start_all()
{
	swap_on && start_guests_of "${guests[@]}" && manage_all
}

# What a job took in each way, for a look at them side by side.
costs=()

# ms_since MOMENT, as ${EPOCHREALTIME/.} told it.
ms_since()
{
	echo $(((${EPOCHREALTIME/.} - $1) / 1000))
}

# timed FILE COMMAND…: how long it takes is in FILE then, in ms.
timed()
{
	local began=${EPOCHREALTIME/.} file=$1 status

	shift
	"$@"
	status=$?
	ms_since "$began" >"$file"
	return $status
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
		note "$name had $mib MiB in $(ms_since "$began") ms"
		figures
	done
	took=$(((${EPOCHREALTIME/.} - before) / 1000 / $#)) swapped=$(($(vmstat_mib pswpout) - swapped))
	note "$how: $# jobs got $got of $((JOB * $#)) MiB, $took ms for each, swapped out $swapped MiB"
	costs+=("$how: $took ms")
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

# All but the last, whose job is for later, get all that they ask for, together more than the host has.
with_pagefoldd()
{
	do_jobs 'with pagefoldd' o1 o2 o3 && all_work "${guests[@]}" && expect [ "$got" = $((JOB * 3)) ]
}

target_of()
{
	echo "vms/$(pf-guest pid "$1")/target_bytes"
}

# balloon_above NAME MIB, as pagefoldd says.
balloon_above()
{
	awk -v key="name=\"$1\"}" -v least=$(($2 * MIB)) '
		/^pagefoldd_vm_balloon_bytes/ && index($0, key) { found = $2 >= least }
		END { exit !found }' $metrics
}

said()
{
	grep -q -e "$1" $log
}

# in_the_midst PID NAME MIB: the job PID of that guest goes on, and it uses more than so much.
in_the_midst()
{
	kill -0 "$1" && [ "$(pf_get "vms/$(pf-guest pid "$2")/usage_bytes")" -gt $(($3 * MIB)) ]
}

# What pagefoldd said of it first is no longer among the last words of its log when the limit has passed.
hand_is_told()
{
	until_true said "o1 .*target ${HAND}MiB: set by hand" && return
	note "the target of o1 is $(pf_get "$(target_of o1)")"
	grep -m 8 'o1 ' $log | sed 's/^/# log: /'
	return 1
}

# pagefoldd is killed while the last one does his job, for which others had to give. Who comes after knows what they
# hold and what an operator said, and the job gets all that it asks for.
outlives_sigkill()
{
	local job used held

	pf_set "$(target_of o1)" $((HAND * MIB)) && hand_is_told &&
		until_true balloon_above o1 $((RAM - HAND - 150)) || return 1
	used=$(($(pf_get "vms/$(pf-guest pid o4)/usage_bytes") / MIB))
	timed /tmp/job.ms pf-guest waste o4 $JOB >/tmp/job &
	job=$!
	until_true in_the_midst $job o4 $((used + 100)) || return 1
	held=$(sum_of balloon_bytes)
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	rm -f $metrics
	: >$log
	start_daemon
	hand_is_told && until_true balloons_answer ${#guests[@]} &&
		expect equals "$(target_of o1)" $((HAND * MIB)) && expect balloon_above o1 $((RAM - HAND - 150)) || return 1
	note "balloons held $held MiB when pagefoldd was killed, and hold $(sum_of balloon_bytes)"
	wait $job && expect [ "$(</tmp/job)" = $JOB ] || return 1
	note "o4 had $JOB MiB in $(</tmp/job.ms) ms, in which pagefoldd was killed and started"
	costs+=("with pagefoldd, killed meanwhile: $(</tmp/job.ms) ms")
	all_work "${guests[@]}" &&
		expect equals "$(target_of o1)" $((HAND * MIB)) && pf_set "$(target_of o1)" 0
}

swapped_of()
{
	awk '/^VmSwap:/ { print $2 }' "/proc/$(pf-guest pid "$1")/status"
}

# What a guest has free or can free the host did not write to swap: nobody has any of it there, and nobody who used
# anew what was free had to wait for the host to read it.
nothing_is_paged_in_vain()
{
	local name in_swap=()

	for name in "${guests[@]}"; do
		in_swap+=("$(swapped_of "$name")")
	done
	swapped=$(vmstat_mib pswpout)
	note "guests have ${in_swap[*]} KiB in swap; $swapped MiB were written, $(vmstat_mib pswpin) read"
	with=$swapped
	expect [ "$swapped" -lt 50 ] && expect [ "$(vmstat_mib pswpin)" -lt 10 ] &&
		expect [ "$(double_paged)" -lt $((10 * MIB)) ]
}

# As pagefoldd reckons.
double_paged()
{
	awk '/^pagefoldd_vm_double_paged_bytes_total/ { sum += $2 } END { printf "%d\n", sum }' $metrics
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
	note "freed since it was killed: $(freed_by_rungs | tr '\n' ' ')"
	expect grep -q '"rung":"balloon".*"freed_bytes":[1-9]' $record &&
		expect [ "$(grep -c '"type":"start"' $record)" = 2 ]
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
	local began ms

	pf-guest stop o1 && start_stock s1 && guests=(o2 o3 o4) || return 1
	until_true balloons_answer 4 && set_all $STATIC s1 "${guests[@]}" && stop_daemon && pf_unload || return 1
	echo 5000 >/sys/kernel/mm/ksm/pages_to_scan && echo 1 >/sys/kernel/mm/ksm/run || return 1
	until_true ksm_saves 4 || return 1
	began=${EPOCHREALTIME/.}
	got=$(pf-guest waste s1 $JOB 2>/dev/null) || got=0
	ms=$(ms_since "$began")
	note "with KSM and static balloons: a job got $got of $JOB MiB, after $ms ms"
	costs+=("with KSM and static balloons: $got of $JOB MiB, $ms ms")
	note "KSM saves $(ksm_mib) MiB"
	echo 2 >/sys/kernel/mm/ksm/run
	pf-guest drop s1 && expect [ "$got" -lt $JOB ] && verify_guests "${guests[@]}"
}

was_killed()
{
	[ "$(oom_kills)" -gt "$1" ]
}

job_is_decided()
{
	! kill -0 "$1" 2>/dev/null || was_killed "$2"
}

# With balloons empty everybody is to get all that he wants, but there is only so much: sooner or later the host reads
# its programs again and again, and nobody gets anywhere. Where it does not keep what it used within the last second,
# the kernel is told to kill a guest, or that would go on for minutes.
with_nothing()
{
	local name job began ms=() got=0 killed dead

	pf_load && start_daemon && until_true balloons_answer ${#guests[@]} && set_all $RAM "${guests[@]}" &&
		stop_daemon && pf_unload && swapoff /dev/zram0 && echo y >$LRU/enabled && echo 1000 >$LRU/min_ttl_ms ||
		return 1
	killed=$(oom_kills)
	for name in "${guests[@]}"; do
		figures
		began=${EPOCHREALTIME/.}
		pf-guest waste "$name" $JOB >/tmp/job 2>/dev/null &
		job=$!
		until_true job_is_decided $job "$killed" || return 1
		ms+=("$(ms_since "$began")")
		wait $job && got=$(</tmp/job) || got=0
		was_killed "$killed" && break
		expect [ "$got" = $JOB ] || return 1
	done
	echo 0 >$LRU/min_ttl_ms
	dead=$(pf-guest list | awk '$3 == "dead" { printf "%s ", $1 }')
	note "with nothing: $name got $got MiB, $(($(oom_kills) - killed)) killed: ${dead:-nobody}; jobs took ${ms[*]} ms"
	costs+=("with nothing: ${ms[*]} ms, the last until somebody was killed")
	expect was_killed "$killed" || return 1
	for name in $dead; do
		pf-guest drop "$name"
	done
}

# With swap the next one, who comes as people have it without Pagefold, gets it all, and the host swaps what the others
# do not need any more; it may even have to kill somebody.
with_swap_alone()
{
	local killed from

	swapon /dev/zram0 && from=$(vmstat_mib pswpout) killed=$(oom_kills) && start_stock s5 || return 1
	do_jobs 'with swap alone' s5 2>/dev/null
	swapped=$(($(vmstat_mib pswpout) - from))
	note "with swap alone: swapped out $swapped MiB, $(($(oom_kills) - killed)) killed"
	expect [ "$swapped" -gt $((with * 2 + 100)) ] || expect [ "$(oom_kills)" -gt "$killed" ]
}

# Those who are left.
all_end_well()
{
	local name bad=0

	for name in "${costs[@]}"; do
		note "a job of $JOB MiB $name"
	done
	[ -z "$pid" ] || { stop_daemon && pf_unload; } || bad=1
	for name in $(pf-guest list | awk '$3 == "alive" { print $1 }'); do
		verify_guests "$name" && pf-guest stop "$name" || bad=1
	done
	return $bad
}

subtests=(start_all with_pagefoldd outlives_sigkill nothing_is_paged_in_vain host_recovers rungs_are_recorded
	nobody_was_killed)
[ "${PF_BESIDE-}" = 0 ] || subtests+=(with_ksm_and_static_balloons with_nothing with_swap_alone)
run_subtests "${subtests[@]}" all_end_well
finish
