#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest under a balloon that wants its memory back gets it, in time.
#
# With DRIVER=stock the same is told of the in-tree driver, and nothing is asserted of it.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512

working()
{
	ask working && how=${answer%% *} && wrong=${answer##*wrong=}
}

work_ended()
{
	working && [ "$how" != running ]
}

# In-tree may hang, which is what there is to tell.
verdict_of_work()
{
	local began=${EPOCHREALTIME/.}

	PF_LIMIT=${1:-60} until_true work_ended || how=hangs
	note "$DRIVER: the work ($2 MiB) $how after $(((${EPOCHREALTIME/.} - began) / 1000)) ms; ${answer#* }"
	[ -z "$ours" ] || expect [ "$how" = 'done' ]
}

# More memory than is left, less than there is.
work_is_done_under_balloon()
{
	plug free-page-reporting=on deflate-on-oom=on && load && target 250 && until_true actual_is 250 || return 1
	must ask work 320 && verdict_of_work 60 320
}

memory_was_given_for_it()
{
	local pages

	[ -n "$ours" ] || return 0
	attribute counters/deflate_pressure_pages && pages=$value && attribute counters/deflate_oom_pages &&
		note "given back: $pages pages for pressure, $value when out of memory" &&
		expect [ $((pages + value)) -ge 10000 ]
}

# When the work is over the host gets its memory again.
target_is_met_again()
{
	until_true actual_is 250
}

without_reporting_too()
{
	unplug && plug deflate-on-oom=on && until_true bound && target 250 && until_true actual_is 250 &&
		must ask work 320 && verdict_of_work 60 320
}

# The device asks for too much before there is a driver, as one with a static target does at boot.
target_before_driver()
{
	unplug && unload && plug free-page-reporting=on deflate-on-oom=on && target 100 && must ask work 300 || return 1
	load || return 1
	verdict_of_work 60 300
}

given_back()
{
	actual && [ "$value" -ge 350 ]
}

# CPU time of the whole QEMU, ms: what it needed, however busy the machine is.
cpu_ms()
{
	awk '{ sub(/.*\) /, ""); print ($12 + $13) * 10 }' "/proc/${Pid[$Guest]}/stat"
}

# At a target that leaves too little: from the first need to memory, five seconds of a machine of its own.
recovered_in_five_seconds()
{
	local began cpu

	target 120 && { [ -z "$ours" ] || until_true stopped; } && until_settled actual || return 1
	note "settled at $last MiB"
	began=${EPOCHREALTIME/.} cpu=$(cpu_ms)
	must ask work 300 || return 1
	PF_LIMIT=60 until_true given_back || return 1
	cpu=$(($(cpu_ms) - cpu))
	note "memory came back within $(((${EPOCHREALTIME/.} - began) / 1000)) ms, $cpu ms of them on a CPU"
	[ -z "$ours" ] || expect [ $cpu -le 5000 ] || return 1
	verdict_of_work 60 300
}

no_process_was_killed()
{
	number_of oom_kill /proc/vmstat && note "oom_kill $value" && { [ -z "$ours" ] || expect [ "$value" = 0 ]; }
}

# C6: a device that did not offer its pages keeps them, and the guest's own killer has to help.
nothing_comes_back_unoffered()
{
	unplug && plug free-page-reporting=on && until_true bound && target 250 && until_true actual_is 250 &&
		must ask set /proc/sys/vm/overcommit_memory 1 && must ask work 400 && until_true work_ended && note "the work: $answer" && expect [ "$how" = killed ] &&
		actual && expect [ "$value" = 250 ]
}

console_is_clean()
{
	console_clean
}

subtests=(work_is_done_under_balloon memory_was_given_for_it target_is_met_again without_reporting_too
	target_before_driver recovered_in_five_seconds no_process_was_killed nothing_comes_back_unoffered
	console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot oom $MIB 1 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
