#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fold_all over real guests: every page of theirs folds with itself again and again, and not one is wrong.
#
# PF_STORM_SECONDS makes it as long as wanted: rounds go on until that much time has passed.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

guests=(s1 s2 s3 s4)
[ -n "${PF_DEBUG-}" ] || skip_all 'not the debug build'

storm()
{
	local round=0 pid pids until=$((SECONDS + ${PF_STORM_SECONDS:-0}))
	local -A goal

	mapfile -t pids < <(pids_of "${guests[@]}")
	while [ $round -lt 2 ] || [ $SECONDS -lt $until ]; do
		round=$((round + 1))
		for pid in "${pids[@]}"; do
			goal[$pid]=$(($(folds_of "$pid") + 5000))
		done
		for pid in "${pids[@]}"; do
			until_true folds_reach "$pid" "${goal[$pid]}" || return 1
		done
		verify_guests "${guests[@]}" || return 1
		note "round $round: $(pf_get folds) folds, $(pf_get cow_breaks) breaks after $SECONDS s"
	done
}

folds_of()
{
	echo $(($(pf_get "vms/$1/folds") + $(pf_get "vms/$1/zero_folds")))
}

folds_reach()
{
	[ "$(folds_of "$1")" -ge "$2" ]
}

start()
{
	pf_load && pf_set thp_split_pages 1 && pf_set debug/fold_all 1 && pf_set threads 2 &&
		pf_set wss_samples 1000 && pf_set wss_cpu_permille 1000 && pf_set wss_period_ms 100 &&
		start_guests s1:idle:1 s2:cache:2 s3:rewrite:3 s4:rewrite:4 && register_guests "${guests[@]}" &&
		pf_set run 1
}

unload()
{
	pf_unload && verify_guests "${guests[@]}"
}

stop()
{
	local name bad=0

	for name in "${guests[@]}"; do
		pf-guest stop "$name" || bad=1
	done
	return $bad
}

plan 4
for subtest in start storm unload stop; do
	"$subtest"
	result $? "$subtest"
done
finish
