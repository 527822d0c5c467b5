#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Real guests fold as far as their contents allow, and never notice: not folding, not unfolding, not rmmod.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

calm=(g1 g2 g3)

passes_of_all()
{
	local pid

	for pid in $(pids_of "${calm[@]}"); do
		until_true at_least "vms/$pid/passes" "$1" || return 1
	done
}

# What is in the guests' memory and what of it is shared, told by others than the module, into $pages, $zero, …
count_offline()
{
	local pids said

	mapfile -t pids < <(pids_of "${calm[@]}")
	kill -STOP "${pids[@]}"
	said=$("$here/count_equal" "${pids[@]}")
	kill -CONT "${pids[@]}"
	note "offline: $said"
	declare -g $said
}

# Is $1 within a hundredth of $2?
agrees()
{
	[ $(($1 * 100)) -ge $(($2 * 99)) ] && [ $(($1 * 100)) -le $(($2 * 101)) ]
}

# Two passes of each guest and no more: the second begins when the interval is lowered, the third after an hour.
# Nobody is just ending the first one by then.
two_passes()
{
	local pid

	pf_set pass_interval_ms 3600000 && pf_set run 1 && passes_of_all 1 && pf_set run 0 &&
		pf_set pass_interval_ms 3599999 && pf_set run 1 && passes_of_all 2 || return 1
	for pid in $(pids_of "${calm[@]}"); do
		expect equals "vms/$pid/passes" 2 || return 1
	done
}

# At least nine tenths of what an offline count finds, within two passes; and what the module says of it is what
# the guests' page tables say.
fold_nine_tenths()
{
	local want_zero want_equal want empty_before saved bad

	# khugepaged fills holes with a huge page between our count and the other one, now and then.
	echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none
	count_offline
	expect [ "$folded" = 0 ] && expect [ "$((zero + equal))" -gt 10000 ] || return 1
	want_zero=$zero want_equal=$equal want=$((zero + equal)) empty_before=$empty
	two_passes && count_offline || return 1
	empty=$((empty - empty_before)) saved=$((folded - frames + empty))
	note "saved $saved pages of $want: zero $empty of $want_zero, equal $((folded - frames)) of $want_equal"
	note "by its own counters: $(pf_get folded_pages) folded, $(pf_get frames) frames, $(pf_get zero_pages) zero"
	note "skipped: $(cd "$PF_SYS/skipped" && grep -v '^0$' ./* | tr '\n' ' ')"
	expect [ "$((saved * 10))" -ge "$((want * 9))" ] &&
		expect [ "$((empty * 10))" -ge "$((want_zero * 9))" ] &&
		expect [ "$(((folded - frames) * 10))" -ge "$((want_equal * 9))" ] &&
		expect agrees "$(pf_get folded_pages)" "$folded" && expect agrees "$(pf_get frames)" "$frames" &&
		expect agrees "$(pf_get zero_pages)" "$empty"
	bad=$?
	pf_set pass_interval_ms 0 && return $bad
}

# A guest that writes all the time, with folding under its feet.
rewriting_guest()
{
	local rounds folds pid

	start_guests busy:rewrite:9 && register_guests busy || return 1
	pid=$(pf-guest pid busy)
	rounds=$(pf-guest rounds busy)
	folds=$(pf_get folds)
	until_true at_least "vms/$pid/folds" 500 || return 1
	vm_passes "$pid" 2 || return 1
	note "rewrites: $rounds to $(pf-guest rounds busy), $(($(pf_get folds) - folds)) folds," \
		"$(pf_get "vms/$pid/cow_breaks") breaks"
	expect [ "$(pf-guest rounds busy)" -gt "$rounds" ] || return 1
	until_true at_least "vms/$pid/cow_breaks" 1 || return 1
	verify_guests busy
}

# What "verified" is worth: one spoiled byte must be seen.
wrong_page_is_seen()
{
	start_guests victim:idle:5 && pf-guest corrupt victim 7 && ! verify_guests victim
}

killed()
{
	local pid before bad=0

	pid=$(pf-guest pid victim)
	before=$(pf_get folds)
	register_guests victim || return 1
	until_true at_least folds "$((before + 1))" || bad=1
	pf-guest kill victim
	until_true [ ! -e "$PF_SYS/vms/$pid" ] && return $bad
}

unfold_all()
{
	# Whoever samples a page holds its frame for that long.
	pf_set run 2 && expect equals folded_pages 0 && until_true equals frames 0
}

fold_again()
{
	pf_set run 1 && until_true at_least folded_pages 5000
}

rmmod_under_guests()
{
	pf_unload && expect [ ! -e "$PF_SYS" ]
}

second_module()
{
	pf_load && register_guests "${calm[@]}" busy && pf_set run 1 && until_true at_least folded_pages 100 &&
		vm_passes "$(pf-guest pid g1)" 1 && verify_guests "${calm[@]}" busy && pf_unload
}

stop_all()
{
	local name bad=0

	for name in "${calm[@]}" busy; do
		pf-guest stop "$name" || bad=1
	done
	return $bad
}

subtests=('boot' 'fold_nine_tenths' 'verify_folded' 'rewriting_guest' 'wrong_page_is_seen' 'killed' 'verify_after_kill' 'unfold_all'
	'verify_unfolded' 'fold_again' 'rmmod_under_guests' 'verify_after_rmmod' 'second_module' 'stop_all')
# On shadow page tables, where all takes longer, what does not depend on them is left to the other lane.
if grep -q -s -x -E 'N|0' /sys/module/kvm_amd/parameters/npt /sys/module/kvm_intel/parameters/ept; then
	subtests=('boot' 'fold_nine_tenths' 'verify_folded' 'rewriting_guest' 'unfold_all' 'verify_unfolded' 'fold_again'
		'rmmod_under_guests' 'verify_after_rmmod' 'stop_all')
fi

boot()
{
	pf_load && pf_set wss_cpu_permille 1000 && pf_set wss_period_ms 100 && start_guests g1:idle:1 g2:idle:2 g3:cache:3 && register_guests "${calm[@]}"
}

verify_folded()
{
	verify_guests "${calm[@]}"
}

verify_after_kill()
{
	verify_guests "${calm[@]}" busy
}

verify_unfolded()
{
	verify_guests "${calm[@]}" busy
}

verify_after_rmmod()
{
	verify_guests "${calm[@]}" busy
}

plan ${#subtests[@]}
for subtest in "${subtests[@]}"; do
	began=$SECONDS
	"$subtest"
	status=$?
	note "$subtest took $((SECONDS - began)) s"
	result $status "$subtest"
	[ "$subtest:$status" != boot:1 ] || finish
done
finish
