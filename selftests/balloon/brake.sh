#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that waits for its memory is left what it has, however much of it seems to be free.
#
# A program thrashes within a cgroup of its own: it swaps all the time, while most of the guest's memory is
# free. So it is the brake that stops the balloon and not the floor, and memory is no reason for either.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512
GROUP=/tmp/group

# shellcheck disable=SC2016  # for the guest to expand
probe()
{
	must ask sh "for m in zsmalloc lz4_compress lz4hc_compress zram; do
			[ ! -e /m/\$m.ko ] || insmod /m/\$m.ko || exit 1; done;
		echo 256M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0 && mkdir -p $GROUP &&
		mount -t cgroup2 none $GROUP && echo +memory >$GROUP/cgroup.subtree_control && mkdir $GROUP/small &&
		echo 16M >$GROUP/small/memory.max" && keep_books && plug free-page-reporting=on && load
}

# The program waits for swap, again and again.
thrash()
{
	must ask thrash 32 $GROUP/small/cgroup.procs && number_of pswpin /proc/vmstat &&
		until_true swapped_in $((value + 2000))
}

swapped_in()
{
	number_of pswpin /proc/vmstat && [ "$value" -ge "$1" ]
}

calm()
{
	must ask calm
}

uptime_of()
{
	ask get /proc/uptime && value=${answer%%.*}
}

uptime_at_least()
{
	uptime_of && [ "$value" -ge "$1" ]
}

# stays_at MIB: under pressure, and the balloon says so.
stays_at()
{
	until_true counter_at_least brake_events "$2" && attribute stop_reason && expect [ "$value" = pressure ] &&
		until_settled actual && expect [ "$last" = "$1" ]
}

# Nothing is held, so nobody has looked for a while: what happened in it must not be divided by it.
pressure_is_seen_after_rest()
{
	uptime_of && until_true uptime_at_least $((value + 20)) && thrash && target 250 && stays_at $MIB 1
}

inflates_when_it_is_over()
{
	calm && until_true actual_is 250
}

# And it is seen where something is held and nothing could be given back.
inflation_stops_growing()
{
	target 300 && until_true actual_is 300 && attribute counters/brake_events && braked=$value && thrash &&
		target 200 && stays_at 300 $((braked + 2)) && calm && until_true actual_at_most 290
}

gives_everything_back()
{
	go_to $MIB && ask sh "swapoff /dev/zram0; echo 1 >/sys/block/zram0/reset" && whole
}

console_is_clean()
{
	console_clean
}

subtests=(probe pressure_is_seen_after_rest inflates_when_it_is_over inflation_stops_growing gives_everything_back
	console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot brake $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
