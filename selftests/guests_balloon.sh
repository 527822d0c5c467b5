#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Our balloon in a real KVM guest whose memory pagefold.ko folds: each frees what it should, and folding never
# makes resident what the balloon, or a free page report, has taken away.
#
# Reporting is off at first, so that what a frame is freed by is the balloon; then it is on. The guest has the
# virtual host's own kernel and the agent of selftests/balloon.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
[ -c /dev/kvm ] || skip_all 'no KVM in this host'
[ -e /host/balloon/initrd ] || skip_all 'nothing to boot a guest with a balloon from'
. /host/balloon/kvm.lib.sh

MIB=256
# Above the floor of such a guest, which is 136 MiB
LOW=160
# Most of what the guest has free, so that the balloon cannot but take some of it
HELD=144
# So many that the frames which the guest itself makes meanwhile do not matter
KINDS=256
EQUAL=$((HELD * 256 - KINDS))
# Zero pages of a guest's kernel and of its files fold too, and stay.
FEW=$((EQUAL / 8))

boots()
{
	pf_load && boot kvm $MIB 1 "$QUIET" && vm=${Pid[kvm]} && must ask insmod pagefold_balloon &&
		plug free-page-reporting=off && until_true bound && pf_set register "$vm name=kvm" && pf_set run 1
}

at_most()
{
	[ "$(pf_get "$1")" -le "$2" ]
}

# Equal pages in the guest, folded, then free in the guest: nobody has told the host so.
hold_folded_and_drop()
{
	base=$(pf_get folded_pages)
	must ask hold $HELD "$1" $KINDS && until_true at_least folded_pages $((base + EQUAL - FEW)) &&
		must ask verify && expect [ "${answer##*wrong=}" = 0 ] || return 1
	note "folded: $base, then $(pf_get folded_pages) pages on $(pf_get frames) frames"
	must ask drop
}

# What the balloon takes of them leaves its frames at once. The rest is used anew: if the balloon's pages still
# had frames, those would stay.
ballooning_folded_pages_frees_their_frames()
{
	local frames taken

	hold_folded_and_drop 5 && vm_passes "$vm" 1 && frames=$(pf_get frames) && number_of MemFree /proc/meminfo &&
		expect at_least folded_pages $((base + EQUAL - FEW)) || return 1
	taken=$(((MIB - LOW - (value / 1024 - HELD)) * 256))
	note "of $((value / 1024)) MiB free at least $taken folded pages go"
	expect [ $taken -ge 4096 ] && target $LOW && until_true actual_is $LOW &&
		until_true at_most folded_pages $((base + EQUAL + FEW - taken)) || return 1
	note "folded: $(pf_get folded_pages)" && number_of MemAvailable /proc/meminfo &&
		must ask touch $((value / 1024 - 8)) && until_true at_most folded_pages $((base + FEW)) || return 1
	note "frames: $frames, then $(pf_get frames); folded: $(pf_get folded_pages)"
	# The guest's own pages make a few meanwhile, more the longer it takes.
	until_true at_most frames $((frames - KINDS / 2)) && expect resident_at_most $((LOW + SLACK))
}

# never_resident_again MIB: pass after pass.
never_resident_again()
{
	local i

	for ((i = 0; i < 3; i++)); do
		vm_passes "$vm" 1 || return 1
		resident
		note "pass $(pf_get "vms/$vm/passes"): $((rss / 1024)) MiB"
		expect [ $((rss / 1024)) -le "$1" ] || return 1
	done
}

scanning_leaves_the_balloon_alone()
{
	never_resident_again $((LOW + SLACK)) && actual && expect [ "$value" = $LOW ]
}

memory_comes_back()
{
	target $MIB && until_true actual_is $MIB && must ask hold 100 6 && must ask verify &&
		expect [ "${answer##*wrong=}" = 0 ] && must ask drop
}

# By blocks this time.
blocks_stay_away()
{
	unplug && plug free-page-reporting=on && until_true bound && target $LOW && until_true actual_is $LOW &&
		until_true resident_at_most $((LOW + SLACK)) &&
		never_resident_again $((LOW + SLACK)) && target $MIB && until_true actual_is $MIB &&
		must ask hold 100 8 && must ask verify && expect [ "${answer##*wrong=}" = 0 ]
}

# And what is free in the guest and in no balloon: its reports take it from its frames and from the host, for good. All
# but pieces that are too small to be reported.
reports_stay_away()
{
	local most

	must ask drop && hold_folded_and_drop 9 && must ask touch 40 && until_true at_most folded_pages $((base + FEW)) &&
		attribute counters/report_pages && note "reported: $value pages" && number_of MemFree /proc/meminfo || return 1
	note "free in the guest: $((value / 1024)) MiB"
	most=$((MIB - value / 1024 + 32))
	until_true resident_at_most $most && never_resident_again $most && actual && expect [ "$value" = $MIB ] &&
		must ask hold 100 10
}

unloads()
{
	pf_unload && must ask verify && expect [ "${answer##*wrong=}" = 0 ] && unload && console_clean
}

run_subtests boots ballooning_folded_pages_frees_their_frames scanning_leaves_the_balloon_alone memory_comes_back \
	blocks_stay_away reports_stay_away unloads
