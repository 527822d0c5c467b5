#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Real guests under all that folds: every page of theirs with itself (fold_all), then what scanning finds equal, by
# hints, pairs and keys, and is unfolded to be found again. Not one page is wrong.
#
# PF_STORM_SECONDS makes it as long as wanted: rounds of each go on until half of that has passed.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

guests=(s1 s2 s3 s4)
[ -n "${PF_DEBUG-}" ] || skip_all 'not the debug build'

storm()
{
	local round=0 pid pids until=$((SECONDS + ${PF_STORM_SECONDS:-0} / 2))
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

# What is equal in guests of one image, and what they write all the time, without anything resting.
match_storm()
{
	local round=0 until=$((SECONDS + ${PF_STORM_SECONDS:-0} / 2)) goal pid pids

	pf_set debug/fold_all 0 && pf_set rest_passes_max 0 && pf_set run 2 || return 1
	mapfile -t pids < <(pids_of "${guests[@]}")
	while [ $round -lt 2 ] || [ $SECONDS -lt $until ]; do
		round=$((round + 1)) goal=$(($(pf_get folds) + 3000))
		pf_set run 1 || return 1
		for pid in "${pids[@]}"; do
			vm_passes "$pid" 2 || return 1
		done
		until_true at_least folds $goal && until_true at_least folded_pages 3000 && verify_guests "${guests[@]}" ||
			return 1
		note "round $round: $(pf_get folded_pages) pages on $(pf_get frames) frames after $SECONDS s"
		pf_set run 2 && expect equals folded_pages 0 && verify_guests "${guests[@]}" || return 1
	done
	pf_set run 1
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

plan 5
for subtest in start storm match_storm unload stop; do
	"$subtest"
	result $? "$subtest"
done
finish
