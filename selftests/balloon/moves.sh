#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Ballooned memory does not stand in the way: compaction moves pages, and memory can go offline.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
# Memory that goes offline has each of its pages moved by way of the device, thirty thousand in one answer.
ANSWER_LIMIT=300
. "$top/selftests/balloon/guest.lib.sh"

MIB=512
DIMM=512
# Above the floor of a guest that uses half of its memory
LOW=365
# What to DO with each memory block, of 128 MiB, above the 4 GiB where plugged memory begins
# shellcheck disable=SC2016  # for the guest to expand
of_dimm='for m in /sys/devices/system/memory/memory*; do n=${m##*memory}; [ $n -lt 32 ] || { DO; }; done 2>&1; :'

probe()
{
	keep_books && plug free-page-reporting=off && load
}

# Single free pages all over the memory, and little that is larger, which the balloon takes first. How much that is
# differs by a hundred MiB from boot to boot; the pages are enough for compaction to meet them everywhere.
single_pages_are_inflated()
{
	must ask shred 320 && go_to $LOW && attribute held/order0_pages && note "single pages: $value" &&
		expect [ "$value" -ge 4000 ]
}

# The neighbours of ballooned pages get free, and compaction wants both: from below it moves what it can into
# the gaps above, and what a program holds would fill those first, so that is little.
compaction_moves_them()
{
	must ask drop && must ask hold 8 5 && until_true moved && note "moved: $value" && attribute actual_pages &&
		expect [ "$value" = $(((MIB - LOW) * 256)) ] && must ask verify && expect [ "${answer##*wrong=}" = 0 ] &&
		must ask drop && new_ones_have_gone
}

# A page that comes back is not the host's until it is used. With all that is free in use the host has just what
# the guest has, and a moved page that it was not told of besides.
new_ones_have_gone()
{
	number_of MemFree /proc/meminfo && must ask touch $((value / 1024 - 16)) && resident &&
		note "host: $((rss / 1024)) MiB, all in use" && until_true resident_at_most $((LOW + SLACK))
}

moved()
{
	must ask set /proc/sys/vm/compact_memory 1 && counter_at_least migrate_pages 100
}

what_was_moved_comes_back()
{
	go_to $MIB && must ask hold 300 6 && must ask verify && expect [ "${answer##*wrong=}" = 0 ] && must ask drop &&
		whole && unplug
}

memory_is_plugged()
{
	number_of MemTotal /proc/meminfo && before=$value &&
		must qmp object-add "{\"qom-type\":\"memory-backend-ram\",\"id\":\"more\",\"size\":$((DIMM * 1048576))}" &&
		must qmp device_add '{"driver":"pc-dimm","id":"dimm0","memdev":"more"}' && until_true all_blocks &&
		blocks offline online_movable && until_true total_at_least $((before + (DIMM - 64) * 1024))
}

all_blocks()
{
	blocks offline && [ "$(wc -w <<<"$answer")" = $((DIMM / 128)) ]
}

total_at_least()
{
	number_of MemTotal /proc/meminfo && [ "$value" -ge "$1" ]
}

# Blocks of the plugged memory that are in state $1, their numbers into $answer; with $2, to be put in that.
# shellcheck disable=SC2016  # for the guest to expand
blocks()
{
	[ $# = 1 ] || must ask sh "${of_dimm/DO/"[ \$(cat \$m/state) != $1 ] || echo $2 >\$m/state"}" || return 1
	must ask sh "${of_dimm/DO/"[ \$(cat \$m/state) != $1 ] || echo \$n"}" && note "$1: ${answer//$'\t'/ }"
}

# What is left to the guest must not all be in a zone that its kernel cannot use: 58 MiB for one of 1 GiB.
kernel_has_memory()
{
	must ask sh "awk '/^Node/ { own = \$4 != \"Movable\" } own && /nr_free_pages/ { n += \$2 }
		END { print n }' /proc/zoneinfo" && note "free to the kernel: $answer pages" && expect [ "$answer" -ge 10000 ]
}

# Memory that is movable by its zone has no blocks of the balloon, only single pages, and the kernel moves all of
# them before it goes: it tries until there is room for them, so no more goes than that takes.
single_pages_make_way()
{
	local n

	plug free-page-reporting=off && until_true bound && target 400 && until_true actual_is 400 &&
		attribute held/order0_pages && note "single pages: $value" && expect [ "$value" -ge 20000 ] &&
		kernel_has_memory && blocks online || return 1
	for n in $answer; do
		must ask set "/sys/devices/system/memory/memory$n/state" offline &&
			attribute counters/migrate_pages && note "moved for block $n: $value" || return 1
		[ "$value" -lt 1000 ] || break
	done
	expect [ "$value" -ge 1000 ] && until_true actual_is_told && must ask hold 60 8 && must ask verify &&
		expect [ "${answer##*wrong=}" = 0 ] && must ask drop && unplug && offline_is 0 &&
		blocks online offline && blocks offline online_kernel && blocks offline && expect [ -z "$answer" ]
}

# memory_goes_offline REPORTING: the balloon has most of the new memory. Something else in a block may keep
# that from going.
memory_goes_offline()
{
	plug free-page-reporting="$1" && until_true bound && target 380 && until_true actual_is 380 &&
		blocks online offline && blocks offline && expect [ -n "$answer" ] &&
		attribute counters/deflate_offline_pages && note "given back for it: $value pages" &&
		expect [ "$value" -ge 16384 ] && until_true actual_is_told
}

# What the host is told is what is held: also when the core has tried a block in vain.
actual_is_told()
{
	attribute actual_pages && pages=$value && actual && [ $((MIB + DIMM - value)) = $(((pages + 255) / 256)) ]
}

blocks_go_offline()
{
	memory_goes_offline on
}

and_come_online_again()
{
	blocks offline online_kernel && blocks offline && expect [ -z "$answer" ] && target $((MIB + DIMM)) &&
		until_true actual_is $((MIB + DIMM)) && offline_is 0 && unplug
}

blocks_by_pfn_too()
{
	memory_goes_offline off && and_come_online_again
}

# Blocks that were reported are larger than a buffer of PFNs may be then.
few_pfns_in_a_buffer_hold_up_no_block()
{
	unload && must ask insmod "$(driver_module)" pfns_max=256 && memory_goes_offline on && and_come_online_again &&
		unload && must ask insmod "$(driver_module)"
}

# While the device keeps a batch, what is in that stays, and its block of memory may with it; the rest is given back and
# nobody waits for long. Later all goes on. More is held than the first block has, which has pages of the kernel's own.
goes_offline_in_the_middle()
{
	double $TELL num_pages=50000 && until_true seen_is actual 50000 && tell inflate_acks 1 && tell num_pages 70000 &&
		until_true seen_at_least held 1 && blocks online offline && blocks offline &&
		attribute counters/deflate_offline_pages && note "given back for it: $value pages" &&
		expect [ "$value" -ge 1000 ] && tell inflate_acks -1 && until_true seen_is actual 70000 &&
		blocks online offline && until_true seen_is actual 70000 && blocks offline online_kernel &&
		tell num_pages 0 && until_true seen_is actual 0 && witness && must ask rmmod balloon_double && offline_is 0
}

console_is_clean()
{
	console_clean
}

subtests=(probe single_pages_are_inflated compaction_moves_them what_was_moved_comes_back memory_is_plugged
	single_pages_make_way blocks_go_offline and_come_online_again blocks_by_pfn_too
	few_pfns_in_a_buffer_hold_up_no_block goes_offline_in_the_middle console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot moves $MIB 2 memhp_default_state=offline -m slots=2,maxmem=2G ||
	{ echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
