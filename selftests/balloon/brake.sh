#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that waits for its memory is left what it has, however much of it seems to be free.
#
# A program thrashes within a cgroup of its own: it swaps all the time, while most of the guest's memory is
# available, as pages of a file that nobody needs. So it is the brake that stops the balloon and not the floor. Swapping
# is three of the four things that the brake looks at; refaults and major faults also come alone, and those that
# wait for memory by themselves (stalls) without any of the others, where there are no huge pages left.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512
GROUP=/tmp/group
UNFILL=/tmp/unfill
declare -A before

# shellcheck disable=SC2016  # for the guest to expand
probe()
{
	must ask sh "for m in zsmalloc lz4_compress lz4hc_compress zram; do
			[ ! -e /m/\$m.ko ] || insmod /m/\$m.ko || exit 1; done;
		cat /sys/class/zram-control/hot_add && echo 2G >/sys/block/zram1/disksize &&
		echo 256M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0 && mkdir -p $GROUP &&
		mount -t cgroup2 none $GROUP && echo +memory >$GROUP/cgroup.subtree_control && mkdir $GROUP/small &&
		echo 16M >$GROUP/small/memory.max" && keep_books && plug free-page-reporting=on && load &&
		must ask set /sys/kernel/tracing/events/pagefold_balloon/pagefold_balloon_brake/enable 1
}

# thrash [PAGES]: the program waits for swap, again and again, and has waited for so many.
thrash()
{
	fill && thrash_in_group "$@"
}

thrash_in_group()
{
	must ask thrash 32 $GROUP/small/cgroup.procs && number_of pswpin /proc/vmstat &&
		until_true swapped_in $((value + ${1:-2000}))
}

swapped_in()
{
	number_of pswpin /proc/vmstat && [ "$value" -ge "$1" ]
}

calm()
{
	must ask calm && unfill
}

# What the guest has free is full of pages of a file, as in one that has run for a while: that group may then be all
# of it. The stalls that this makes are in a look that begins here, and is too long to tell when they were. The pages
# are known as long as somebody has the file open.
fill()
{
	must ask sh "[ -e $UNFILL ] || mkfifo $UNFILL; sh -c 'exec 3</dev/zram1 4<>$UNFILL;
		dd if=/dev/zram1 of=/dev/null bs=1M skip=1024 count=600;
		read end <&4' >/dev/null 2>&1 </dev/null &" &&
		until_true little_is_free && guest_lives 400
}

little_is_free()
{
	number_of MemFree /proc/meminfo && [ "$value" -lt 40000 ]
}

unfill()
{
	must ask sh "echo end 1<>$UNFILL"
}

# stays_at MIB EVENTS: under pressure, and the balloon says so, if not at the moment when it is counted.
stays_at()
{
	until_true counter_at_least brake_events "$2" && until_true attribute_is stop_reason pressure &&
		until_settled actual && expect [ "$last" = "$1" ]
}

# Nothing is held, so nobody has looked for a while: what happened in it must not be divided by it.
pressure_is_seen_after_rest()
{
	guest_lives 400 && thrash 800 && target 250 && stays_at $MIB 1
}

inflates_when_it_is_over()
{
	calm && until_true actual_is 250
}

# Who thrashes because his group has come to its limit does not keep the guest from sparing what it has free. Looked at
# for some ticks after that, too.
a_group_of_its_own_brakes_nothing()
{
	attribute counters/brake_events && braked=$value && thrash_in_group && target 230 &&
		until_true actual_is 230 && target 225 && until_true actual_is 225 && attribute counters/brake_events &&
		expect [ "$value" = "$braked" ] && must ask calm
}

# And it is seen where something is held and nothing could be given back.
inflation_stops_growing()
{
	target 300 && until_true actual_is 300 && attribute counters/brake_events && braked=$value && thrash &&
		target 200 && stays_at 300 $((braked + 2)) && calm && until_true actual_at_most 290
}

# The same in the middle of an inflation, where the device keeps a batch until the guest thrashes: no more goes then than
# that and the next one, which is prepared.
brakes_in_the_middle()
{
	local before batch=8192

	go_to $MIB && unplug && double $((TELL | OOM)) inflate_acks=1 num_pages=60000 && until_true seen_at_least held 1 &&
		attribute counters/brake_events && braked=$value && thrash &&
		until_true counter_at_least brake_events $((braked + 1)) && seen inflated && before=$value &&
		tell inflate_acks -1 && until_true attribute_is stop_reason pressure &&
		until_true counter_at_least brake_events $((braked + 3)) && seen inflated &&
		note "inflated: $before pages, then $value" && expect [ "$value" -le $((before + batch)) ] &&
		seen actual && expect [ "$value" -lt 60000 ] && calm && until_true seen_is actual 60000
}

# A guest that thrashes has its headroom back, a quarter of the curve, before half of that has gone: only then it would
# be lacking.
gives_back_before_it_lacks()
{
	tell num_pages 20000 && until_true seen_is actual 20000 && thrash && attribute counters/deflate_pressure_pages &&
		expect [ "$value" = 0 ] && number_of MemAvailable /proc/meminfo && must ask hold $((value / 1024 - 30)) &&
		until_true counter_at_least deflate_pressure_pages 1 && note "given back: $value pages" &&
		attribute counters/oom_events && expect [ "$value" = 0 ] && number_of MemAvailable /proc/meminfo &&
		note "available: $((value / 1024)) MiB" && calm && must ask drop && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && must ask rmmod balloon_double && plug free-page-reporting=on &&
		until_true bound
}

# brakes_by WHAT START STOP: the balloon grows no further while START's program runs, for which only the rate of
# WHAT has been too high; and it does when that has been ended.
brakes_by()
{
	local name

	for name in workingset_refault_file pgmajfault allocstall_movable; do
		number_of $name /proc/vmstat && before[$name]=$value || return 1
	done
	target 300 && until_true actual_is 300 && attribute counters/brake_events && braked=$value &&
		must ask sh ': >/sys/kernel/tracing/trace' && "$2" && target 200 && stays_at 300 $((braked + 2)) &&
		"$3" && until_true actual_at_most 290 && only_rate "$1"
}

# only_rate WHAT: of all looks that found pressure.
only_rate()
{
	local rate

	ask sh "sed -n 's/.*pagefold_balloon_brake: //p' /sys/kernel/tracing/trace | sort -u | head -n 20" || return 1
	note "${answer//$'\t'/; }"
	expect [ -n "$answer" ] || return 1
	for rate in stalls:10 swapins:256 refaults:1024 majors:500; do
		[ "${rate%:*}" = "$1" ] && continue
		above "${rate%:*}" "${rate#*:}" && { note "${rate%:*} too"; return 1; }
	done
	return 0
}

# above RATE LIMIT: in any of the lines in $answer?
above()
{
	awk -v rate="$1/s=" -v limit="$2" -v RS='[ \t\n]' \
		'index($0, rate) == 1 && substr($0, length(rate) + 1) + 0 > limit { found = 1 } END { exit !found }' \
		<<<"$answer"
}

# A file is read over and over for which the page cache has no room. Nobody maps it, and it is never closed, which
# would be the end of what is known of its pages.
reread()
{
	fill && must ask sh "rm -f /tmp/end; sh -c 'echo 0 >$GROUP/small/cgroup.procs; exec 3</dev/zram1;
		until [ -e /tmp/end ]; do
		dd if=/dev/zram1 of=/dev/null bs=64k count=512; done' >/dev/null 2>&1 </dev/null &" &&
		until_true counts workingset_refault_file 5000
}

# Number $1 of vmstat has risen so far; the tests follow each other, so it is looked at from where it was.
counts()
{
	number_of "$1" /proc/vmstat && [ "$value" -ge $((${before[$1]:-0} + $2)) ]
}

end_of_reread()
{
	must ask sh 'touch /tmp/end' && unfill
}

brakes_by_refaults()
{
	brakes_by refaults reread end_of_reread
}

faults()
{
	fill && must ask fault /dev/zram1 $GROUP/small/cgroup.procs && until_true counts pgmajfault 2000
}

brakes_by_major_faults()
{
	brakes_by majors faults calm
}

# All huge pages that there could be, and more, are asked for again and again. With swap some would be made that way.
ask_for_huge_pages()
{
	must ask sh "rm -f /tmp/end; sh -c 'until [ -e /tmp/end ]; do
		echo 1000 >/proc/sys/vm/nr_hugepages; done;
		echo 0 >/proc/sys/vm/nr_hugepages' >/dev/null 2>&1 </dev/null &" &&
		until_true counts allocstall_movable 100
}

brakes_by_stalls()
{
	must ask sh 'swapoff /dev/zram0' && brakes_by stalls ask_for_huge_pages end_of_reread
}

gives_everything_back()
{
	go_to $MIB && ask sh "swapoff /dev/zram0; echo 1 >/sys/block/zram0/reset" && whole
}

console_is_clean()
{
	console_clean
}

subtests=(probe pressure_is_seen_after_rest inflates_when_it_is_over
	a_group_of_its_own_brakes_nothing inflation_stops_growing brakes_in_the_middle gives_back_before_it_lacks
	brakes_by_refaults brakes_by_major_faults brakes_by_stalls gives_everything_back console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot brake $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
