#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that poisons free memory: the host's memory follows all the same, and no poison is missing after.
#
# QEMU acks reports without doing anything when a poison value is set, so here the host's memory alone can
# tell. The guest's kernel itself checks every free page and says so on the console. A second guest clears
# free memory instead, of which QEMU takes reports.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512

cycle()
{
	plug "$@" && until_true bound && must ask touch 250 && go_to 300 && go_to $MIB && must ask hold 250 3 &&
		must ask verify && expect [ "${answer##*wrong=}" = 0 ] && must ask drop && go_to 250 && go_to $MIB && unplug
}

probe()
{
	must ask insmod "$(driver_module)"
}

reporting_and_poison()
{
	cycle free-page-reporting=on page-poison=on
}

# C3: without the feature a page that must keep its poison must not be reported.
reporting_without_poison()
{
	cycle free-page-reporting=on page-poison=off
}

poison_alone()
{
	cycle free-page-reporting=off page-poison=on
}

neither()
{
	cycle free-page-reporting=off page-poison=off
}

# C26, C27: the device knows the value before it is ready, and never hears of it again.
poison_value_is_told_in_time()
{
	keep_books && double $((TELL | POISON | REPORT)) && seen poison && expect [ "$value" = $((0xaaaaaaaa)) ] &&
		tell num_pages 50000 && until_true seen_is actual 50000 && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && gone
}

# Without the feature nobody may be told, and so nothing reported.
poison_is_not_offered()
{
	double $((TELL | REPORT)) && tell num_pages 50000 && until_true seen_is actual 50000 && seen poison &&
		expect [ "$value" = 0 ] && { [ -z "$ours" ] || { seen reported && expect [ "$value" = 0 ]; }; } &&
		tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# "pagealloc: memory corruption" is what a page without its poison is called.
poison_was_never_missing()
{
	! grep -a -m 3 'pagealloc' "$LOGS"/*-poison.console && console_clean
}

# A guest whose free memory is zero says that, and its memory may go by reports.
zeroes_boot()
{
	stop poison
	boot zeroes $MIB 1 'init_on_free=1 init_on_alloc=0' && must ask insmod "$(driver_module)"
}

zeroes_are_reported()
{
	plug free-page-reporting=on page-poison=on && until_true bound && must ask touch 250 && go_to 300 &&
		expect mode_is report && go_to $MIB && must ask hold 250 3 && must ask verify &&
		expect [ "${answer##*wrong=}" = 0 ] && must ask drop && unplug
}

# What is freed is cleared now, and the target is not looked at meanwhile: a batch is 16 MiB and one block at most.
zeroes_come_back_in_small_batches()
{
	[ -n "$ours" ] || { note 'the in-tree driver has batches of 1 MiB'; return 4; }
	plug free-page-reporting=on page-poison=on && until_true bound && go_to 300 &&
		traced pagefold_balloon/pagefold_balloon_deflate && go_to $MIB && events pagefold_balloon_deflate: &&
		last=$(sed -n 's/.* pages=\([0-9]*\) .*/\1/p' <<<"$last") && note "batches: ${last//$'\n'/ }" &&
		expect [ "$(sort -n <<<"$last" | tail -n 1)" -le $((17 * 256)) ] && unplug
}

# C3 once more: a device that cannot be told gets PFNs.
zeroes_without_a_word()
{
	plug free-page-reporting=on page-poison=off && until_true bound && must ask touch 250 && go_to 300 &&
		expect mode_is inflate && go_to $MIB && unplug
}

zeroes_are_told_in_time()
{
	keep_books && double $((TELL | POISON | REPORT)) && seen poison && expect [ "$value" = 0 ] &&
		tell num_pages 50000 && until_true seen_is actual 50000 && seen reported &&
		{ [ -z "$ours" ] || expect [ "$value" -ge 25000 ]; } && tell num_pages 0 &&
		until_true seen_is actual 0 && witness && gone
}

mode_is()
{
	[ -z "$ours" ] || { attribute mode && [ "$value" = "$1" ]; }
}

console_is_clean()
{
	console_clean
}

subtests=(probe reporting_and_poison reporting_without_poison poison_alone neither
	poison_value_is_told_in_time poison_is_not_offered poison_was_never_missing zeroes_boot zeroes_are_reported
	zeroes_come_back_in_small_batches zeroes_without_a_word zeroes_are_told_in_time console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot poison $MIB 1 'page_poison=1 init_on_alloc=0' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
