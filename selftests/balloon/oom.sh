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
# What a workload needs where there is swap, MiB, and how often it looks at it
NEED=300
CHECKS=8
swapped=0

# In-tree may hang, which is what there is to tell.
verdict_of_work()
{
	local began=${EPOCHREALTIME/.}

	PF_LIMIT=${1:-60} until_true work_ended || how=hangs
	note "$DRIVER: the work ($2 MiB) $how after $(((${EPOCHREALTIME/.} - began) / 1000)) ms; ${answer#* }"
	[ -z "$ours" ] || expect [ "$how" = 'done' ]
}

# What grows by no more than a tenth of the guest in a second gets its memory before it would run out. The device
# offers what it has, so MemTotal stays meanwhile.
slow_need_meets_no_oom()
{
	local total

	number_of MemTotal /proc/meminfo && total=$value && plug free-page-reporting=on deflate-on-oom=on && load &&
		target 250 && until_true actual_is 250 && number_of MemTotal /proc/meminfo &&
		expect [ "$value" = "$total" ] || return 1
	must ask work 320 50 && verdict_of_work 300 320 && { [ -z "$ours" ] || given_before_oom; } &&
		until_true actual_is 250 && unplug && unload
}

given_before_oom()
{
	attribute counters/deflate_pressure_pages && note "given back for pressure: $value pages" &&
		expect [ "$value" -ge 10000 ] && attribute counters/oom_events && expect [ "$value" = 0 ]
}

# More memory than is left, less than there is.
work_is_done_under_balloon()
{
	plug free-page-reporting=on deflate-on-oom=on && load && target 250 && until_true actual_is 250 || return 1
	must ask work 320 && verdict_of_work 300 320
}

memory_was_given_for_it()
{
	local pages

	[ -n "$ours" ] || return 0
	attribute counters/deflate_pressure_pages && pages=$value && attribute counters/deflate_oom_pages &&
		note "given back: $pages pages for pressure, $value when out of memory" &&
		expect [ $((pages + value)) -ge 10000 ]
}

# Who takes all memory so fast that on a single CPU nothing else runs meanwhile gets it too: in time, if the kernel
# reclaims and so lets others run, or when it is out of memory. Which of the two is the kernel's affair.
fast_need_is_met()
{
	local early late

	until_true actual_is 250 && attribute counters/deflate_pressure_pages && early=$value &&
		attribute counters/deflate_oom_pages && late=$value &&
		must ask set /proc/sys/kernel/sched_rt_runtime_us -1 && number_of MemAvailable /proc/meminfo &&
		must ask grab $((value / 1024 + 200)) && attribute counters/deflate_pressure_pages || return 1
	early=$((value - early))
	attribute counters/deflate_oom_pages && late=$((value - late)) &&
		note "given back: $early pages for pressure, $late when out of memory" &&
		expect [ $((early + late)) -ge 40000 ]
}

# grab: take all memory as fast as it goes; pages given back when out of memory into $value.
grab()
{
	local before

	until_true actual_is 250 && attribute counters/deflate_oom_pages && before=$value &&
		number_of MemAvailable /proc/meminfo && must ask grab $((value / 1024 + 200)) &&
		attribute counters/deflate_oom_pages || return 1
	note "given back when out of memory: $((value - before)) pages"
	value=$((value - before))
}

# Where nothing was given back in time it comes when memory has run out: as much as the guest lacks at first, then
# twice as much, or all there is. A machine may be too busy to be fast.
fast_need_gets_ever_more()
{
	local try least

	for ((try = 1; try <= 3; try++)); do
		grab || return 1
		[ "$value" = 0 ] || break
	done
	[ "$value" -gt 0 ] || { note 'no try was fast enough'; return 4; }
	must ask sh 'dmesg | grep "was out of memory" | tail -n 2' || return 1
	note "${answer//$'\t'/; }"
	[[ $answer =~ gave\ ([0-9]+)\ MiB.*gave\ ([0-9]+)\ MiB ]] || { note 'once was enough'; return 4; }
	least=$((2 * BASH_REMATCH[1]))
	[ $least -le $((MIB - 250 - 2)) ] || least=$((MIB - 250 - 2))
	expect [ "${BASH_REMATCH[2]}" -ge $least ]
}

# When the work is over the host gets its memory again.
target_is_met_again()
{
	until_true actual_is 250
}

without_reporting_too()
{
	unplug && plug deflate-on-oom=on && until_true bound && target 250 && until_true actual_is 250 &&
		must ask work 320 && verdict_of_work 300 320
}

# The device asks for too much before there is a driver, as one with a static target does at boot.
target_before_driver()
{
	unplug && unload && plug free-page-reporting=on deflate-on-oom=on && target 100 && must ask work 300 || return 1
	load || return 1
	verdict_of_work 300 300
}

given_back()
{
	actual && [ "$value" -ge 350 ]
}

# How long QEMU's threads have waited for a CPU of this machine, ms.
waited_ms()
{
	cat "/proc/${Pid[$Guest]}/task/"*/schedstat 2>/dev/null |
		awk '{ sum += $2 } END { printf "%d", sum / 1000000 }'
}

# At a target that leaves too little and was there at boot, before the driver: from the first need to memory, without
# what the machine gave to others.
recovered_in_five_seconds()
{
	local began took waited

	unplug && unload && plug free-page-reporting=on deflate-on-oom=on && target 120 && load &&
		{ [ -z "$ours" ] || until_true stopped; } && until_settled actual || return 1
	note "settled at $last MiB"
	began=${EPOCHREALTIME/.} waited=$(waited_ms)
	must ask work 300 || return 1
	PF_LIMIT=300 until_true given_back || return 1
	took=$(((${EPOCHREALTIME/.} - began) / 1000)) waited=$(($(waited_ms) - waited))
	note "memory came back within $took ms, $waited ms of them waiting for a CPU"
	[ -z "$ours" ] || expect [ $((took - waited)) -le 5000 ] || return 1
	verdict_of_work 300 300
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

# Unless the guest's administrator has it otherwise.
what_is_not_offered_can_be_taken()
{
	unplug && unload && plug free-page-reporting=on && load_with give_back=1 && target 250 &&
		until_true actual_is 250 && must ask set /proc/sys/vm/overcommit_memory 1 && must ask work 320 &&
		verdict_of_work 300 320 && memory_was_given_for_it
}

# What the device is told of all this is what the kernel has counted.
kills_and_stalls_are_told()
{
	must qmp qom-set \
		'{"path":"/machine/peripheral/balloon0","property":"guest-stats-polling-interval","value":1}' &&
		until_true stats_are_of_vmstat && note "$answer" && [[ $answer =~ ^[1-9][0-9]*\ [1-9] ]]
}

# shellcheck disable=SC2016  # for the guest to expand
stats_are_of_vmstat()
{
	local tag seen=''

	for tag in oom-kills alloc-stalls async-scans direct-scans async-reclaims direct-reclaims; do
		stat_of ".stats[\"stat-$tag\"]" || return 1
		seen+="${seen:+ }$value"
	done
	ask sh 'awk "{ v[\$1] = \$2 } /^allocstall_/ { stalls += \$2 } END { printf \"%d %d %.0f %.0f %.0f %.0f\",
		v[\"oom_kill\"], stalls, v[\"pgscan_kswapd\"] * 4096, v[\"pgscan_direct\"] * 4096,
		v[\"pgsteal_kswapd\"] * 4096, v[\"pgsteal_direct\"] * 4096 }" /proc/vmstat' && [ "$answer" = "$seen" ]
}

# With swap a guest is never out of memory, so the in-tree driver, which waits for that, gives nothing back, and
# what does not fit is read from swap for ever. As much read as the workload needs memory, and no end: for ever.
# Ours stops above such a target. The other gets there, however long it stands still on the way.
until_at_rest()
{
	if [ -n "$ours" ]; then
		until_true stopped && until_settled actual
	else
		until_true actual_is 120 && last=$value
	fi
}

in_need_with_swap()
{
	local before

	stop "$Guest"
	truncate -s 512M "$WORK/swap.raw" &&
		boot swap $MIB 1 '' -drive "file=$WORK/swap.raw,format=raw,if=none,id=swap,cache=unsafe" \
			-device virtio-blk-pci,drive=swap && must ask insmod virtio_blk &&
		must ask sh 'mkswap /dev/vda && swapon /dev/vda' && plug free-page-reporting=on deflate-on-oom=on &&
		load && target 120 && until_at_rest &&
		number_of pswpin /proc/vmstat && before=$value && must ask work $NEED 0 $CHECKS || return 1
	until_true ended_or_swapped_in $((before + NEED * 256)) && number_of pswpin /proc/vmstat &&
		swapped=$((value - before)) && actual || return 1
	note "$DRIVER: from $last MiB to $value MiB, the work ($NEED MiB) $how, $swapped pages came from swap"
}

ended_or_swapped_in()
{
	work_ended || { number_of pswpin /proc/vmstat && [ "$value" -ge "$1" ]; }
}

thrashing_ends()
{
	in_need_with_swap && expect [ "$how" = 'done' ] && expect [ "$wrong" = 0 ] &&
		expect [ $swapped -lt $((NEED * 256 / 2)) ] && console_clean
}

in_tree_thrashes_for_ever()
{
	local DRIVER=stock ours=''

	in_need_with_swap && expect [ "$how" = running ] && expect [ "$value" = "$last" ]
}

console_is_clean()
{
	console_clean
}

subtests=(slow_need_meets_no_oom work_is_done_under_balloon memory_was_given_for_it)
# In-tree the agent, which cannot be killed, would take the guest with it.
[ -z "$ours" ] || subtests+=(fast_need_is_met fast_need_gets_ever_more)
subtests+=(target_is_met_again without_reporting_too
	target_before_driver recovered_in_five_seconds no_process_was_killed nothing_comes_back_unoffered)
# The in-tree driver of 6.1 does not know these.
[ -z "$ours" ] || subtests+=(what_is_not_offered_can_be_taken kills_and_stalls_are_told)
subtests+=(console_is_clean)
# Guests of their own
[ -z "$ours" ] || subtests+=(thrashing_ends in_tree_thrashes_for_ever)
[ $# = 0 ] || subtests=("$@")
boot oom $MIB 1 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
