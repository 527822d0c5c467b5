#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The balloon goes where it is told, the host's memory follows, and every page comes back.
#
# One boot; the device is plugged anew where other features are wanted, so that plugging is tested all along.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=1024

probe()
{
	keep_books && plug free-page-reporting=on && load && actual && expect [ "$value" = $MIB ]
}

inflate_frees_host_memory()
{
	must ask touch 600 && go_to 400 || return 1
	note "host: $((rss / 1024)) MiB at 400"
}

actual_is_true()
{
	resident
	[ -z "$ours" ] || { attribute actual_pages && expect [ "$value" = $(((MIB - 400) * 256)) ]; } || return 1
	go_to 500 && actual && expect [ "$value" = 500 ]
}

many_targets()
{
	local t

	for t in 900 300 640 450 1000 333 1024 400; do
		go_to $t || return 1
	done
}

deflated_memory_is_usable()
{
	go_to $MIB && must ask hold 500 7 && must ask verify && note "$answer" &&
		expect [ "${answer##*wrong=}" = 0 ] && must ask drop && whole
}

mode_is_visible()
{
	attribute mode && note "mode: $value" && expect [ -n "$value" ]
}

# A target that is withdrawn at once must not be carried out first.
retarget_is_prompt()
{
	local i began took worst=0

	for ((i = 0; i < 10; i++)); do
		target 320 && target 960 || return 1
		began=${EPOCHREALTIME/.}
		until_true actual_is 960 || return 1
		took=$(((${EPOCHREALTIME/.} - began) / 1000))
		[ $took -le $worst ] || worst=$took
	done
	note "the last word took effect within $worst ms"
	expect [ $worst -le 2000 ] && go_to $MIB
}

# A thousand targets, contents held meanwhile, and the books balance at the end.
storm()
{
	local i n=$((1000 * PF_SCALE))

	RANDOM=2468
	must ask hold 100 11 || return 1
	for ((i = 0; i < n; i++)); do
		target $((350 + RANDOM % (MIB - 350))) || return 1
	done
	go_to $MIB && must ask verify && expect [ "${answer##*wrong=}" = 0 ] && must ask drop && whole
}

stat_of()
{
	qmp qom-get '{"path":"/machine/peripheral/balloon0","property":"guest-stats"}' &&
		value=$(jq -r ".return$1" <<<"$reply")
}

newer_than()
{
	stat_of '["last-update"]' && [ "$value" -gt "$1" ]
}

# Twice, or a buffer that is not queued again would go unseen (C16).
statistics()
{
	local first tag

	must qmp qom-set \
		'{"path":"/machine/peripheral/balloon0","property":"guest-stats-polling-interval","value":1}' || return 1
	until_true newer_than 0 && first=$value && until_true newer_than "$first" || return 1
	for tag in swap-in swap-out major-faults minor-faults free-memory total-memory available-memory \
			disk-caches htlb-pgalloc htlb-pgfail; do
		stat_of ".stats[\"stat-$tag\"]"
		expect [ "$value" -lt $((1 << 50)) ] 2>/dev/null || { note "stat-$tag: $value"; return 1; }
	done
	stat_of '.stats["stat-total-memory"]' && expect [ $((value / 1024)) = "$total" ] || return 1
	stat_of '.stats["stat-free-memory"]' && expect [ $((value >> 20)) -ge $((free - 128)) ] || return 1
	must qmp qom-set \
		'{"path":"/machine/peripheral/balloon0","property":"guest-stats-polling-interval","value":0}'
}

# All memory but a byte: the guest keeps what it needs, says why, and lives.
absurd_target_stops_at_floor()
{
	must qmp balloon '{"value":1}' && until_true stopped && actual && last=$value || return 1
	note "at the floor: $last MiB"
	attribute floor_bytes && note "floor: $((value >> 20)) MiB" &&
		expect [ "$last" -ge $((value >> 20)) ] || return 1
	must ask touch 20 && go_to $MIB && whole
}

# What cannot be had is asked for ever more rarely.
unreachable_target_costs_little()
{
	local busy idle

	must ask hold 500 5 && target 300 && until_true stopped && until_settled actual || return 1
	note "unreachable: asked for 300, stays at $last MiB"
	busy_of && busy=$value
	uptime_of && idle=$value
	until_true uptime_at_least $((idle + 500)) && busy_of && note "busy for $((value - busy)) of 500 ticks" &&
		expect [ $((value - busy)) -le 25 ] || return 1
	must ask verify && expect [ "${answer##*wrong=}" = 0 ] && must ask drop && go_to $MIB && whole
}

# Ticks in the kernel, of all CPUs.
busy_of()
{
	ask get /proc/stat && [[ $answer =~ ^cpu\ +[0-9]+\ +[0-9]+\ +([0-9]+) ]] && value=${BASH_REMATCH[1]}
}

uptime_of()
{
	ask get /proc/uptime && value=${answer%% *} && value=$((10#${value/.}))
}

uptime_at_least()
{
	uptime_of && [ "$value" -ge "$1" ]
}

unload_in_the_middle()
{
	target 300 && unload && whole && load && until_true actual_is 300 && go_to $MIB
}

unbind_in_the_middle()
{
	local name=${device##*/} driver

	must ask sh "readlink -f $device/driver" && driver=$answer
	target 300 && must ask set "$driver/unbind" "$name" && whole &&
		must ask set "$driver/bind" "$name" && until_true bound && until_true actual_is 300 && go_to $MIB
}

unplug_in_the_middle()
{
	target 300 && unplug && whole
}

# The guest's own free memory, no target at all.
free_memory_is_reported()
{
	plug free-page-reporting=on && until_true bound && must ask touch 500 || return 1
	resident
	note "host: $((rss / 1024)) MiB after touching 500"
	until_true resident_at_most 400
}

without_reporting()
{
	unplug && plug free-page-reporting=off && until_true bound && must ask touch 600 && go_to 400 && go_to 700 &&
		go_to 350 || return 1
	[ -z "$ours" ] || { attribute mode && note "mode: $value"; }
	go_to $MIB && whole
}

console_is_clean()
{
	console_clean
}

subtests=(probe inflate_frees_host_memory actual_is_true many_targets deflated_memory_is_usable)
[ -z "$ours" ] || subtests+=(mode_is_visible)
subtests+=(retarget_is_prompt storm statistics)
# In-tree the guest panics of the first, and may hang of the second.
[ -z "$ours" ] || subtests+=(absurd_target_stops_at_floor unreachable_target_costs_little)
subtests+=(unload_in_the_middle unbind_in_the_middle unplug_in_the_middle free_memory_is_reported without_reporting
	console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot targets $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
