#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the driver does by itself, and when: told by what it traces and by the guest's own books.
#
# The device is the test double of hostile.sh, which waits where a test wants it to. Times are of the guest's clock.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512

events_at_least()
{
	events "$2" && [ "$(wc -l <<<"$last")" -ge "$1" ]
}

# The times of those in $last, microseconds.
times()
{
	sed -n 's/.* \([0-9]*\)\.\([0-9]\{6\}\): .*/\1\2/p' <<<"$last"
}

# Looked at once a second while much is left, and ten times when it is not: the timer that runs is brought forward, so two
# looks are less than a second apart. A machine that stalls takes longer now and then, but not each time.
slow_watch_is_brought_forward()
{
	local looks=() try

	double $((TELL | OOM)) || return 1
	for try in 1 2 3 4 5; do
		grow_after_watch || return 1
		note "looks are $(((looks[1] - looks[0]) / 1000)) ms apart"
		[ $((looks[1] - looks[0])) -ge 900000 ] || break
	done
	expect [ $((looks[1] - looks[0])) -lt 900000 ] && tell num_pages 0 && until_true seen_is actual 0 && gone
}

# Right after a look of the slow watch; when that was and when the next one is into $looks, microseconds.
grow_after_watch()
{
	tell num_pages 1000 && until_true seen_is actual 1000 && guest_lives 150 &&
		traced workqueue/workqueue_execute_start && until_true events pb_pressure_watch_work &&
		tell num_pages 60000 && until_true events_at_least 2 pb_pressure_watch_work &&
		mapfile -t looks < <(times)
}

# What is wanted changes while a batch is with the device. It is looked at once, and then one batch follows another again:
# a single event tells of all of them, where each would have its own. A batch is of 8192 pages at most, and three had been
# begun.
batches_go_on_after_a_new_target()
{
	double $TELL inflate_acks=1 num_pages=60000 && until_true seen_at_least held 1 &&
		traced pagefold_balloon/pagefold_balloon_inflate && tell num_pages 60001 &&
		tell inflate_acks -1 &&
		until_true seen_is actual 60001 && events 'pagefold_balloon_inflate:' &&
		last=$(sed -n 's/.* pages=\([0-9]*\) .*/\1/p' <<<"$last") && note "in one go: ${last//$'\n'/ }" &&
		expect [ "$(sort -n <<<"$last" | tail -n 1)" -ge 30000 ] && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && gone
}

# Out of memory while the device has the first batch of ranges: nothing is held yet, and the one that is prepared comes
# back. That is there for a second, so the guest itself is out of memory, as an administrator has it, again and again
# until then.
what_is_prepared_comes_back_first()
{
	double $((TELL | OOM | REPORT)) ack=1 && traced pagefold_balloon/pagefold_balloon_give_back &&
		must ask sh "sh -c 'echo -1000 >/proc/self/oom_score_adj; echo 60000 >$DOUBLE/num_pages;
			until grep -q give_back: $TRACING/trace; do echo f >/proc/sysrq-trigger; done' \
			>/dev/null 2>&1 </dev/null &" &&
		until_true events give_back: && note "${last##*: }" &&
		expect [ "$(sed -n 's/.* pages=\([0-9]*\) held=0$/\1/p' <<<"$last" | head -n 1)" -ge 256 ] &&
		seen actual && expect [ "$value" = 0 ] && tell ack 0 && until_true seen_at_least actual 1000 &&
		tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# A device that takes no more PFNs in a buffer than the kernel's driver sends.
few_pfns_in_a_buffer()
{
	unload && must ask insmod "$(driver_module)" pfns_max=256 && double $TELL pfns_limit=256 && tell num_pages 50000 &&
		until_true seen_is actual 50000 && tell num_pages 1000 && until_true seen_is actual 1000 &&
		seen oversized && expect [ "$value" = 0 ] && tell num_pages 0 && until_true seen_is actual 0 && witness &&
		gone && unload && must ask insmod "$(driver_module)"
}

# Blocks of all orders and single pages: in each buffer PFNs go up, or a device with larger pages discards nothing.
pfns_are_in_order()
{
	must ask shred 280 && double $TELL && tell num_pages 50000 && until_true seen_is actual 50000 &&
		tell num_pages 0 && until_true seen_is actual 0 && seen unordered && expect [ "$value" = 0 ] &&
		must ask drop && witness && gone
}

absurd_limits_are_refused()
{
	local n

	unload || return 1
	for n in 0 255 8193 -1 x; do
		! ask insmod "$(driver_module)" pfns_max=$n || { note "$n is taken"; return 1; }
	done
	must ask insmod "$(driver_module)" pfns_max=8192
}

# The device keeps the queue, so nothing can be reported: each pause until that is tried again is longer.
pauses_between_reports_grow()
{
	local first second third

	double $((TELL | REPORT)) && until_true seen_at_least reported 1 && until_settled seen reported &&
		traced workqueue/workqueue_execute_start && tell mute 4 && tell num_pages 20000 &&
		until_true seen_at_least held 1 && must ask touch 200 && until_true events_at_least 3 pb_report_again &&
		read -r first second third <<<"$(times | head -n 3 | tr '\n' ' ')" &&
		note "after $(((second - first) / 1000)) ms and $(((third - second) / 1000)) ms" &&
		expect [ $((third - second)) -ge $((second - first + 2000000)) ] && tell mute -1 &&
		until_true seen_is actual 20000 && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# Blocks are ballooned pages for the kernel's books too.
blocks_are_counted()
{
	local went came

	double $((TELL | REPORT)) && number_of balloon_inflate /proc/vmstat && went=$value &&
		number_of balloon_deflate /proc/vmstat && came=$value && tell num_pages 30000 &&
		until_true seen_is actual 30000 && number_of balloon_inflate /proc/vmstat &&
		expect [ $((value - went)) = 30000 ] && balloon_is 120000 && tell num_pages 0 &&
		until_true seen_is actual 0 && number_of balloon_deflate /proc/vmstat &&
		expect [ $((value - came)) = 30000 ] && balloon_is 0 && gone
}

# KiB, by meminfo, where the kernel has that line.
balloon_is()
{
	number_of Balloon /proc/meminfo || return 0
	expect [ "$value" = "$1" ]
}

console_is_clean()
{
	console_clean
}

subtests=(slow_watch_is_brought_forward batches_go_on_after_a_new_target what_is_prepared_comes_back_first
	few_pfns_in_a_buffer pfns_are_in_order absurd_limits_are_refused pauses_between_reports_grow blocks_are_counted
	console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot inside $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
must ask insmod "$(driver_module)" && keep_books || { echo 'Bail out! the driver does not load'; exit 1; }
run_subtests "${subtests[@]}"
