#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A device that is not to be trusted: no crash, no page used early, no page lost, and a word in the log.
#
# The device is a test double inside the guest, see double/balloon_double.c; it also sees what QEMU never
# looks at, so what the specification says of the order of things is tested here.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512

cycle_of()
{
	double "$@" && tell num_pages 50000 && until_true seen_is actual 50000 || return 1
	seen inflated && note "inflated $value" && seen reported && note "reported $value"
	tell num_pages 1000 && until_true seen_is actual 1000 && tell num_pages 30000 &&
		until_true seen_is actual 30000 && must ask touch 200 && witness || return 1
}

# C8, C10-C12: every page announced before it is used again.
deflate_is_announced()
{
	cycle_of $((TELL | STATS)) || return 1
	seen check && expect [ "$value" = 'given=30000 gone=0' ] || return 1
	tell num_pages 0 && until_true seen_is actual 0 && seen check && expect [ "$value" = 'given=0 gone=0' ] &&
		witness && gone
}

# What is wanted is looked at before each batch: after a new target no more goes, or comes, than what is with the device
# by then and one batch that is prepared. It is told while the device keeps a batch, so that no clock has a part in this.
new_target_takes_effect_within_a_batch()
{
	local before batch=8192

	double $TELL inflate_acks=2 num_pages=60000 && until_true seen_at_least held 1 && seen inflated &&
		before=$value && tell num_pages 1000 && tell inflate_acks -1 && until_true seen_is actual 1000 &&
		seen inflated && note "inflated: $before pages, then $value" &&
		expect [ "$value" -le $((before + batch)) ] || return 1
	tell num_pages 60000 && until_true seen_is actual 60000 && seen deflated && before=$value && tell mute 1 &&
		tell num_pages 0 && until_true seen_at_least held 1 && tell num_pages 59000 && tell mute -1 &&
		until_true seen_is actual 59000 && seen deflated && note "deflated: $before pages, then $value" &&
		expect [ "$value" -le $((before + batch)) ] && tell num_pages 0 && until_true seen_is actual 0 && witness &&
		gone
}

# Clearing memory for the host gives way to programs, and no longer when that host has changed its mind.
new_target_hurries_the_batch()
{
	double $TELL inflate_acks=1 num_pages=60000 && until_true seen_at_least held 1 && until_true nice_threads 1 &&
		tell num_pages 1000 && until_true nice_threads 0 && tell inflate_acks -1 &&
		until_true seen_is actual 1000 && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# So many threads have the nice value of a balloon that grows, which is nobody else's.
nice_threads()
{
	must ask sh "cat /proc/[0-9]*/stat 2>/dev/null | awk '\$19 == 15' | wc -l" && [ "$answer" = "$1" ]
}

# C2: a guest whose free pages hold nothing in particular does not take PAGE_POISON, and tells no value.
poison_is_declined()
{
	double $((TELL | POISON | REPORT)) && attribute features && expect [ "${value:4:2}" = 01 ] &&
		expect attribute_is mode report && tell num_pages 50000 && until_true seen_is actual 50000 &&
		seen poison && expect [ "$value" = 0 ] && tell num_pages 0 && until_true seen_is actual 0 && witness &&
		gone
}

# Where nobody has to wait for the device, several buffers are with it, and none is written over. What is
# used meanwhile is no fault then, so only the books count.
deflates_without_waiting()
{
	double $STATS && tell num_pages 70000 && until_true seen_is actual 70000 && tell num_pages 0 &&
		until_true seen_is actual 0 && until_true seen_is check 'given=0 gone=0' && seen deflated &&
		expect [ "$value" = 70000 ] && seen bad && expect [ "$value" = 0 ] && gone
}

# A page that the device has not let go of yet is not given to it again, where nobody waits for that either.
nothing_is_given_twice()
{
	double $STATS && tell num_pages 70000 && until_true seen_is actual 70000 && tell mute 1 && tell num_pages 68000 &&
		until_true seen_is actual 68000 && tell num_pages 70000 && must ask touch 50 && seen bad &&
		expect [ "$value" = 0 ] && tell mute -1 && until_true seen_is actual 70000 && seen bad &&
		expect [ "$value" = 0 ] && gone
}

reports_are_not_used_early()
{
	cycle_of $((TELL | STATS | REPORT)) && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# Blocks beside each other are one range, up to a border of 64 MiB, and huge pages go with nothing less. A thousand
# pages more are each time a block and parts of one. The kernel's own reports of free pages go the same way and are
# never larger than a block.
neighbours_are_one_range()
{
	local n

	double $((TELL | REPORT)) || return 1
	for n in 70000 71000 72000 73000; do
		tell num_pages $n && until_true seen_is actual $n || return 1
	done
	seen widest && note "the largest range: $value pages" && expect [ "$value" -gt 1024 ] && seen crossing &&
		expect [ "$value" = 0 ] && seen mixed && expect [ "$value" = 0 ] && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && gone
}

# C13: a device of the time before 1.0.
legacy_device()
{
	cycle_of $((TELL | STATS)) legacy=1 && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# C14, C15: one buffer of statistics after probing, and no more unasked.
one_stats_buffer()
{
	double $STATS && until_true seen_at_least stats_seen 1 && tell num_pages 1000 && until_true seen_is actual 1000 &&
		seen stats_seen && expect [ "$value" = 1 ] && gone
}

# C16 to C19: a buffer for each request, filled before it is queued, the same tags in it each time.
stats_for_each_request()
{
	local n

	double $STATS && until_true seen_at_least stats_seen 1 || return 1
	for n in 2 3 4; do
		tell stats_ask 1 && until_true seen_at_least stats_seen $n || return 1
	done
	seen stats_bad && expect [ "$value" = 0 ] && gone
}

# C20 to C23, C25: the number once, blocks, STOP; all of them the guest's again when the device is done.
hints_are_answered()
{
	double $((TELL | HINT)) && tell cmd_id 7 && until_true seen_at_least hint_stops 1 || return 1
	seen hint_pages && note "hinted: $value pages" && expect [ "$value" -ge 50000 ] &&
		seen hint_starts && expect [ "$value" = 1 ] && expect held_by_hints &&
		tell cmd_id 1 && until_true free_by_itself && whole && seen hint_bad && expect [ "$value" = 0 ] && gone
}

# Dropping caches, as free_mib does, would take hinted blocks back too.
held_by_hints()
{
	number_of MemFree /proc/meminfo && [ "$value" -lt $((free * 512)) ]
}

free_by_itself()
{
	number_of MemFree /proc/meminfo && [ "$value" -gt $((free * 900)) ]
}

# Hints that nobody reads wait for the removal of the device, and no longer.
never_acks_hint()
{
	double $((TELL | HINT)) ack=1 && tell cmd_id 9 && until_true seen_at_least held 1 && tell cmd_id 10 &&
		must ask touch 20 && tell cmd_id 0 && gone
}

# What the device has not read yet is not taken back, however short of memory the guest is: the host would forget what
# is written there. So little of it is unread that the guest can do without: 16 blocks of 4 MiB.
hints_stay_until_read()
{
	double $((TELL | HINT)) mute=3 && number_of MemAvailable /proc/meminfo || return 1
	local mib=$((value / 1024 - 40))

	tell cmd_id 7 && until_true seen_at_least hint_pages 16384 && must ask work $mib 0 1 &&
		until_true work_ended && note "the work on $mib MiB: $how" && seen check &&
		expect [ "$value" = 'given=16384 gone=0' ] && tell mute -1 && until_true seen_at_least hint_stops 1 &&
		seen early && expect [ "$value" = 0 ] && seen bad && expect [ "$value" = 0 ] && tell cmd_id 1 &&
		until_true free_by_itself && gone
}

# Once it has been read it can be, though the host has ended the answer and asks for no other.
hints_come_back_after_stop()
{
	double $((TELL | HINT)) mute=3 && number_of MemAvailable /proc/meminfo || return 1
	local mib=$((value / 1024 - 40))

	tell cmd_id 7 && until_true seen_at_least hint_pages 16384 && tell cmd_id 0 && tell mute -1 &&
		until_true seen_at_least hint_stops 1 && must ask work $mib 0 1 && until_true work_ended &&
		note "the work on $mib MiB: $how" && expect [ "$how" = 'done' ] && tell cmd_id 1 &&
		until_true free_by_itself && gone
}

# Another size that is wanted meanwhile does not end an answer, even if the device shows STOP while it reads that.
hinting_outlives_a_change()
{
	double $((TELL | HINT)) mute=3 && tell cmd_id 8 && until_true seen_at_least hint_pages 16384 &&
		tell hides_id 1 && tell num_pages 1000 && until_true seen_is actual 1000 && tell mute -1 &&
		until_true seen_at_least hint_stops 1 && seen hint_pages && note "hinted: $value pages" &&
		expect [ "$value" -ge 50000 ] && seen hint_starts && expect [ "$value" = 1 ] && seen hint_bad &&
		expect [ "$value" = 0 ] && tell cmd_id 1 && until_true free_by_itself && tell num_pages 0 &&
		until_true seen_is actual 0 && gone
}

# The kernel has what it reports in hand, and with a device that takes its time the guest seems to be short of memory,
# which it is not. So much is ballooned that the driver looks often, and what is free has been used, so that there is
# much to report.
slow_reports_are_no_need()
{
	double $((TELL | OOM | REPORT)) && tell num_pages 70000 && until_true seen_is actual 70000 && tell late 300 &&
		number_of MemAvailable /proc/meminfo && must ask touch $((value / 1024 - 50)) &&
		until_true seen_at_least late_reports 1 && until_settled seen reported && seen late_reports &&
		note "late reports: $value" && attribute counters/deflate_pressure_pages &&
		expect [ "$value" = 0 ] && tell late 0 && tell num_pages 0 && until_true seen_is actual 0 && witness &&
		gone
}

# A device that does not let go of what came back lets the balloon wait. That is told of, and what the guest can spare
# is asked again afterwards, for the guest has gone on.
late_deflates_are_told_and_room_asked_again()
{
	local kills

	double 0 && tell num_pages 20000 && until_true seen_is actual 20000 && tell mute 1 && tell num_pages 18000 &&
		until_true seen_is actual 18000 && tell num_pages 90000 && until_true attribute_is target_pages 90000 &&
		number_of oom_kill /proc/vmstat && kills=$value && number_of MemAvailable /proc/meminfo &&
		note "holds $((value / 1024 - 14)) MiB" && must ask hold $((value / 1024 - 14)) &&
		until_true counter_at_least late_acks 1 && until_true attribute_is stop_reason device && tell mute -1 &&
		until_true attribute_is stop_reason floor && seen actual && expect [ "$value" = 18000 ] &&
		number_of oom_kill /proc/vmstat && expect [ "$value" = "$kills" ] && must ask drop &&
		tell num_pages 0 && until_true seen_is actual 0 && seen bad && expect [ "$value" = 0 ] && gone
}

# A device that falls silent while the balloon still grows does not keep the guest from what it has got. The batch that
# was only prepared for it is free again after a second. The last of its need comes slowly, so that looking ten times a
# second is enough.
need_is_met_while_growing()
{
	double $((TELL | OOM)) inflate_acks=3 num_pages=60000 && until_true seen_at_least held 1 &&
		guest_lives 200 && number_of MemAvailable /proc/meminfo && must ask hold $((value / 1024 - 60)) &&
		must ask work 70 40 0 && until_true work_ended && note "the work: $answer" &&
		expect [ "$how" = 'done' ] && attribute counters/deflate_pressure_pages &&
		note "given back: $value pages" && expect [ "$value" -gt 0 ] && attribute counters/oom_events &&
		expect [ "$value" = 0 ] && must ask drop && tell inflate_acks -1 && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && gone
}

# Kernels before 7.2 report more at once than such a queue takes. The balloon works, and uses the queue itself.
short_reporting_queue()
{
	double $((TELL | REPORT)) report_size=16 && free_pages_go_if_they_fit &&
		tell num_pages 50000 && until_true seen_is actual 50000 && seen reported && expect [ "$value" -gt 0 ] &&
		tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

free_pages_go_if_they_fit()
{
	case $KERNEL in
	6.*)	expect logged 'free pages are not reported' ;;
	*)	until_true counter_at_least report_pages 1000 ;;
	esac
}

# All memory there could be, and more than that.
absurd_sizes()
{
	local n

	double $((TELL | REPORT)) && tell num_pages 4294967295 && until_true seen_at_least actual 10000 &&
		until_settled seen actual && until_true logged 'stopped at [0-9]* MiB of ' || return 1
	note "at most: $last pages; ${answer##*: s}"
	must ask touch 20 || return 1
	for n in 0 4294967295 2147483648 1 4294967294 0; do
		tell num_pages $n || return 1
	done
	until_true seen_is actual 0 && witness && gone
}

# Use all that the guest has free: a page that is free too early is among it. The kernel's reports may have
# some of that in hand, so whoever uses it may be killed.
use_all()
{
	number_of MemAvailable /proc/meminfo && must ask work $((value / 1024)) && until_true work_ended &&
		note "the work on $((value / 1024)) MiB: $how"
}

# never_acks FEATURES: what the device has taken is its own and counts for nothing; the rest of the guest goes
# on; removal is not held up.
never_acks()
{
	double "$1" ack=1 && tell num_pages 50000 && until_true seen_at_least held 1 || return 1
	must ask touch 100 && tell num_pages 0 && use_all && tell num_pages 40000 && must ask touch 50 && seen check &&
		note "$value" && expect [ "${value##*gone=}" = 0 ] && expect [ "$value" != 'given=0 gone=0' ] &&
		seen_is actual 0 && witness && gone
}

# Nobody waits for such a device when pages come back, so it is told whether they came too early.
never_acks_inflate()
{
	never_acks 0
}

never_acks_when_it_must_be_told()
{
	never_acks $TELL
}

never_acks_report()
{
	never_acks $((TELL | REPORT))
}

# Free memory that the kernel has reported is not free while the device is silent.
never_acks_free_pages()
{
	double $((TELL | REPORT)) ack=1 && until_true seen_at_least held 1 && use_all && seen check &&
		note "$value" && expect [ "${value##*gone=}" = 0 ] && expect [ "$value" != 'given=0 gone=0' ] && gone
}

# What could not be reported, because the device was busy for too long, is reported when it is not. Nothing is freed
# meanwhile that would have the kernel look again.
refused_reports_are_made_up_for()
{
	local before

	double $((TELL | REPORT)) && until_true seen_at_least reported 1 && until_settled seen reported &&
		tell mute 4 && tell num_pages 20000 &&
		until_true seen_at_least held 1 && must ask touch 200 && guest_lives 600 &&
		attribute counters/report_pages && before=$value && tell mute -1 && until_true seen_is actual 20000 &&
		until_true counter_at_least report_pages $((before + 20000)) && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && gone
}

# Out of memory under a device that is too slow to help at that moment: the acknowledgment gives everything back.
acks_after_oom()
{
	double $((TELL | OOM)) && tell num_pages 60000 && until_true seen_is actual 60000 && tell ack 1 &&
		must ask set /proc/sys/vm/overcommit_memory 1 && must ask work 450 && until_true work_ended || return 1
	note "the work: $answer" && expect [ "$how" = killed ] && attribute limbo_pages && note "in limbo: $value pages" &&
		expect [ "$value" -gt 0 ] && tell ack 0 && PF_LIMIT=300 until_true nothing_in_limbo &&
		attribute counters/deflate_late_pages && expect [ "$value" -gt 0 ] && tell num_pages 0 &&
		until_true seen_is actual 0 && seen check && expect [ "$value" = 'given=0 gone=0' ] && witness &&
		PF_LIMIT=300 whole && gone
}

nothing_in_limbo()
{
	attribute limbo_pages && [ "$value" = 0 ]
}

# The same with a report of blocks on its way.
sleeps_while_blocks_go()
{
	double $((TELL | REPORT)) && tell mute 4 && tell num_pages 50000 && until_true seen_at_least held 1 &&
		tell asleep 1 && whole && tell mute -1 && tell asleep 0 && until_true seen_is actual 50000 &&
		attribute counters/deflate_reset_pages && tell num_pages 0 && until_true seen_is actual 0 && witness &&
		gone
}

# In the middle it falls silent, and then speaks again.
acks_late()
{
	double $((TELL | STATS)) && tell num_pages 20000 && until_true seen_is actual 20000 && tell ack 1 &&
		tell num_pages 0 && until_true seen_at_least held 1 && must ask touch 100 || return 1
	seen check && note "$value" && expect [ "${value##*gone=}" = 0 ] && tell ack 0 && until_true seen_is actual 0 &&
		witness && gone
}

# What waits is told of, each half a minute, and is why the size is what it is until the device speaks again.
lateness_is_logged()
{
	double $TELL ack=1 && tell num_pages 20000 && until_true seen_at_least held 1 &&
		until_true counter_at_least late_acks 1 &&
		until_true logged 'has not acknowledged a buffer of its inflate queue for 3' && note "$answer" &&
		until_true attribute_is stop_reason device && tell ack 0 && until_true seen_is actual 20000 &&
		until_true attribute_is stop_reason reached && gone
}

# Each with PFNs on their way, and with blocks.
unbound_while_silent()
{
	local features

	for features in $((TELL | STATS)) $((TELL | REPORT)); do
		double $features ack=1 && tell num_pages 20000 && until_true seen_at_least held 1 &&
			must ask set "/sys/bus/virtio/drivers/pagefold_balloon/unbind" "${device##*/}" && whole && gone ||
			return 1
	done
}

removed_while_silent()
{
	double $((TELL | STATS)) && tell num_pages 20000 && until_true seen_is actual 20000 && tell ack 1 &&
		tell num_pages 0 && until_true seen_at_least held 1 && gone
}

unloaded_while_silent()
{
	local features

	for features in $((TELL | STATS)) $((TELL | REPORT)); do
		double $features ack=1 && tell num_pages 20000 && until_true seen_at_least held 1 && unload && whole &&
			must ask insmod "$(driver_module)" && tell num_pages 0 && gone || return 1
	done
}

# A system sleeps whatever the device does, and has all of its memory then; awake it goes on where it was to go.
sleeps_while_silent()
{
	double $((TELL | STATS)) inflate_acks=2 num_pages=50000 && until_true seen_at_least held 1 && tell asleep 1 &&
		whole && tell inflate_acks -1 && tell asleep 0 && until_true seen_is actual 50000 && tell mute 1 &&
		tell num_pages 0 && until_true seen_at_least held 1 && tell asleep 1 && whole && tell mute -1 &&
		tell asleep 0 && seen actual && expect [ "$value" = 0 ] && tell num_pages 20000 &&
		until_true seen_is actual 20000 && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# misacks KIND WORDS: twice, or for a buffer nobody gave; the ring is broken then, and what it held is lost to it.
# The log says which and why.
misacks()
{
	double $((TELL | REPORT)) && tell num_pages 1000 && until_true seen_is actual 1000 && tell ack "$1" &&
		tell num_pages 50000 && must ask touch 50 && until_true logged "$2" &&
		until_true logged 'the device is broken (.* queue), what it has stays with it' && tell num_pages 0 &&
		must ask touch 50 && witness && gone
}

acks_twice()
{
	misacks 2 '_vq:id [0-9]* is not a head'
}

acks_what_nobody_gave()
{
	misacks 3 '_vq:id 205 out of range'
}

# single_pages FEATURES: $pages are ballooned, many of them single ones, beside which memory is free. How much is
# taken in blocks before that differs from boot to boot.
single_pages()
{
	must ask shred 280 && double "$1" || return 1
	for pages in 40000 44000 48000 52000 56000; do
		tell num_pages $pages && until_true seen_is actual $pages && attribute held/order0_pages || return 1
		[ "$value" -lt 2000 ] || break
	done
	note "single pages: $value of $pages" && expect [ "$value" -ge 500 ] && must ask drop && must ask hold 8 5
}

compact()
{
	must ask set /proc/sys/vm/compact_memory 1
}

compacted_until_it_breaks()
{
	compact && logged 'is broken (deflate queue)'
}

# The device has got the page that compaction moves to, and then cannot be told of the one that is left. It has both,
# and gets no other; none is used before it is reset.
breaks_while_a_page_moves()
{
	single_pages $TELL && tell breaks 1 && until_true compacted_until_it_breaks && compact && compact &&
		attribute limbo_pages && expect [ "$value" = 1 ] && number_of MemFree /proc/meminfo &&
		must ask touch $((value / 1024 - 16)) && seen check && expect [ "$value" = "given=$((pages + 1)) gone=0" ] &&
		seen actual && expect [ "$value" = "$pages" ] && must ask drop && witness && gone
}

# Compaction holds what others wait for, so it does not wait itself for what a silent device had before: hundreds of
# pages would each take a second, many times.
compaction_passes_over_silence()
{
	local before

	single_pages 0 && tell mute 1 && tell num_pages $((pages - 100)) &&
		until_true seen_is actual $((pages - 100)) && seen inflated && before=$value && compact &&
		seen inflated && expect [ "$value" = "$before" ] && tell mute -1 && until_true moves_again &&
		must ask drop && tell num_pages 0 && until_true seen_is actual 0 && seen bad &&
		expect [ "$value" = 0 ] && gone
}

moves_again()
{
	compact && counter_at_least migrate_pages 100
}

# A queue that breaks under a report of free pages keeps those, and holds up nothing else.
broken_reports_hold_up_nothing()
{
	double $((TELL | REPORT)) && tell num_pages 1000 && until_true seen_is actual 1000 && tell ack 3 &&
		must ask touch 100 && until_true logged 'reporting_vq:id 205 out of range' && tell ack 0 &&
		tell num_pages 50000 && until_true seen_is actual 50000 && tell num_pages 0 &&
		until_true seen_is actual 0 && gone
}

logged()
{
	ask sh "dmesg | tail -n 20 | grep '$1'"
}

# After all that a sane device still works.
sane_again()
{
	double $((TELL | STATS | REPORT)) && tell num_pages 50000 && until_true seen_is actual 50000 &&
		tell num_pages 0 && until_true seen_is actual 0 && witness && gone && unload && whole
}

# The double's broken rings make the virtio core complain with dev_err, which is no trouble of the kernel.
console_is_clean()
{
	console_clean
}

subtests=(deflate_is_announced deflates_without_waiting nothing_is_given_twice reports_are_not_used_early legacy_device one_stats_buffer
	stats_for_each_request hints_are_answered)
# In-tree waits for ever in removal when the device is silent.
[ -z "$ours" ] || subtests+=(neighbours_are_one_range absurd_sizes never_acks_inflate never_acks_when_it_must_be_told never_acks_report
	never_acks_free_pages refused_reports_are_made_up_for never_acks_hint hints_stay_until_read hints_come_back_after_stop hinting_outlives_a_change
	slow_reports_are_no_need late_deflates_are_told_and_room_asked_again need_is_met_while_growing
	short_reporting_queue new_target_takes_effect_within_a_batch new_target_hurries_the_batch
	poison_is_declined lateness_is_logged acks_late acks_after_oom removed_while_silent unbound_while_silent unloaded_while_silent sleeps_while_silent sleeps_while_blocks_go acks_twice acks_what_nobody_gave broken_reports_hold_up_nothing
	breaks_while_a_page_moves compaction_passes_over_silence)
subtests+=(sane_again console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot hostile $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
# What is on the lists of each CPU counts as nothing in MemAvailable and comes back by and by, tens of MiB from 6.7 on.
must ask set /proc/sys/vm/percpu_pagelist_high_fraction 1000 && must ask insmod "$(driver_module)" && keep_books ||
	{ echo 'Bail out! the driver does not load'; exit 1; }
run_subtests "${subtests[@]}"
