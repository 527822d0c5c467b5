#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The working set of a real guest that touches a known part of its memory, reading and writing.
#
# What is measured is the median of ROUNDS rounds of 400 samples; it must be within a tenth of the truth, which
# is what the workload touches and what the guest touches anyway (measured when the workload touches nothing).
# How likely is a wrong verdict? A sample stands for a piece of some 0.5 MiB, and what is touched consists of
# the guest's huge pages, so only pieces at their ends add to the error: at most two for each huge page, each
# with a variance of at most a quarter of a piece squared. For 48 MiB that is a standard deviation of 1.7 MiB for
# a round; with 1 MiB for what the guest touches anyway, scattered, 2.0 MiB, and 0.9 MiB for the median of 7. The
# median of the idle guest adds 0.5 MiB. 4.9 MiB are allowed, more than four and a half standard deviations: 4e-6 at
# the worst, and rounds are seen to differ by half of that. In units of huge pages it is less likely still.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

ROUNDS=7
BUDGET_ROUNDS=60
THP=/sys/kernel/mm/transparent_hugepage/enabled
subtests=(small_boot small_idle small_reads small_writes small_intact small_cost small_budget
	huge_boot huge_idle huge_reads huge_writes huge_whole huge_intact damon_agrees)

# Median of what is read from standard input.
median()
{
	sort -n | sed -n "$((ROUNDS / 2 + 1))p"
}

next_round()
{
	until_true at_least "$vm/wss_rounds" "$(($(pf_get "$vm/wss_rounds") + 1))"
}

# One measurement, into $total and $written, in KiB. The round under way and the next one are not in it: they saw
# the work before.
measure_once()
{
	local i

	touched=() written=()
	for ((i = -2; i < ROUNDS; i++)); do
		next_round || return 1
		[ $i -lt 0 ] && continue
		touched+=($(($(pf_get "$vm/wss_last_bytes") / 1024)))
		written+=($(($(pf_get "$vm/wss_last_write_bytes") / 1024)))
	done
}

# The guest must have gone round at least three times in a period, or what it touched is not known.
measure()
{
	local walks period

	while :; do
		walks=$(pf-guest rounds w)
		measure_once || return 1
		walks=$(($(pf-guest rounds w) - walks))
		period=$(pf_get wss_period_ms)
		[ $walks -lt $((ROUNDS * 3)) ] && [ "$period" -lt 8000 ] || break
		note "only $walks walks in $ROUNDS rounds of $period ms: longer rounds"
		pf_set wss_period_ms $((period * 2))
	done
	total=$(printf '%s\n' "${touched[@]}" | median)
	changed=$(printf '%s\n' "${written[@]}" | median)
	note "touched $total KiB (${touched[*]}), written $changed KiB (${written[*]}), $walks walks"
}

# Is $1 within a tenth of $2?
about()
{
	[ $(($1 * 10)) -ge $(($2 * 9)) ] && [ $(($1 * 10)) -le $(($2 * 11)) ]
}

# boot MODE: a guest whose memory the host maps in huge pages (always) or in small ones (never).
boot()
{
	echo "$1" >"$THP" || return 1
	pf-guest start w --memory 192M --work touch --work-mb 96 || return 1
	pid=$(pf-guest pid w)
	vm=vms/$pid
	pf_set wss_samples 400 && pf_set wss_cpu_permille 1000 && pf_set wss_period_ms 500 &&
		pf_set register "$pid name=w"
}

host_huge_kib()
{
	awk '/^AnonHugePages:/ { print $2 }' "/proc/$pid/smaps_rollup"
}

# What the guest touches though its workload touches nothing.
idle()
{
	local huge

	huge=$(pf-guest touch w 0 0)
	note "the guest has $huge KiB of 98304 in huge pages, the host $(host_huge_kib) KiB of the guest"
	expect [ "$huge" -ge 98304 ] && measure || return 1
	base=$total
}

# touching READ WRITE, in MiB: is that found?
touching()
{
	local truth=$((base + ($1 + $2) * 1024))

	pf-guest touch w "$1" "$2" >/dev/null && measure || return 1
	expect about "$total" "$truth" || return 1
	[ "$2" = 0 ] && { expect [ "$changed" -lt 4096 ]; return; }
	expect about "$changed" "$(($2 * 1024))"
}

# The content is right, and the estimate is the larger of its averages.
intact()
{
	local bad=0

	pf_set wss_period_ms 0
	expect equals "$vm/wss_bytes" "$(printf '%s\n' "$(pf_get "$vm/wss_fast_bytes")" \
		"$(pf_get "$vm/wss_slow_bytes")" | sort -n | tail -n 1)" || bad=1
	note "lost $(pf_get "$vm/wss_lost_pages") of $(pf_get "$vm/wss_sampled_pages") samples"
	expect [ $(($(pf_get "$vm/wss_lost_pages") * 20)) -lt "$(pf_get "$vm/wss_sampled_pages")" ] || bad=1
	verify_guests w || bad=1
	return $bad
}

# CPU time of the sampling thread, by the kernel's own account, in ns.
thread_ns()
{
	local comm

	for comm in /proc/[0-9]*/comm; do
		[ "$(cat "$comm" 2>/dev/null)" = pagefold/wss ] || continue
		cut -d' ' -f1 "${comm%comm}schedstat"
		return
	done
	return 1
}

uptime_ns()
{
	local seconds

	read -r seconds _ </proc/uptime
	echo "${seconds/./}0000000"
}

# A round of the default size, once in 30 seconds, takes less than half a percent of a CPU.
small_cost()
{
	local begin rounds ns

	pf-guest touch w 16 16 >/dev/null || return 1
	pf_set wss_samples 100 && pf_set wss_period_ms 100 && next_round && next_round || return 1
	begin=$(thread_ns) rounds=$(pf_get "$vm/wss_rounds")
	until_true at_least "$vm/wss_rounds" $((rounds + 10)) || return 1
	ns=$((($(thread_ns) - begin) / ($(pf_get "$vm/wss_rounds") - rounds)))
	note "$ns ns a round of 100 samples, $((ns / 30000)) millionths of a CPU"
	expect [ $ns -lt 150000000 ]
}

# Asked for more than that it comes to a halt below half a percent. So many rounds that a rest more or less, which may
# lie at either end, is no more than what each round, by the clock, takes longer than its CPU time.
small_budget()
{
	local begin from rounds ns status=0

	pf_set wss_samples 4 && pf_set wss_cpu_permille 5 && pf_set wss_period_ms 1 && next_round || return 1
	begin=$(thread_ns) from=$(uptime_ns) rounds=$(pf_get "$vm/wss_rounds")
	until_true at_least "$vm/wss_rounds" $((rounds + BUDGET_ROUNDS)) || return 1
	ns=$(($(thread_ns) - begin)) from=$(($(uptime_ns) - from))
	note "$ns ns of CPU time in $from ns, $((ns / (from / 1000000))) millionths of a CPU"
	expect [ $((ns * 200)) -lt "$from" ] || status=1
	pf-guest stop w || status=1
	return $status
}

huge_boot()
{
	boot always && whole=$(host_huge_kib) && expect [ "$whole" -ge 131072 ]
}

# Sampling has split none of the host's huge pages.
huge_whole()
{
	expect [ "$(host_huge_kib)" -ge "$whole" ]
}

damon_bytes()
{
	echo update_schemes_tried_bytes >"$damon/state" && cat "$damon/contexts/0/schemes/0/tried_regions/total_bytes"
}

# Have DAMON watch the process, and a scheme that does nothing but count what was accessed.
damon_start()
{
	damon=/sys/kernel/mm/damon/admin/kdamonds
	echo 1 >$damon/nr_kdamonds && damon+=/0 && echo 1 >$damon/contexts/nr_contexts || return 1
	local context=$damon/contexts/0
	echo vaddr >$context/operations && echo 1 >$context/targets/nr_targets &&
		echo "$pid" >$context/targets/0/pid_target &&
		echo 50000 >$context/monitoring_attrs/intervals/sample_us &&
		echo 500000 >$context/monitoring_attrs/intervals/aggr_us &&
		echo 100 >$context/monitoring_attrs/nr_regions/min &&
		echo 1000 >$context/monitoring_attrs/nr_regions/max &&
		echo 1 >$context/schemes/nr_schemes && echo stat >$context/schemes/0/action || return 1
	context+=/schemes/0/access_pattern
	echo 1 >$context/nr_accesses/min && echo 10 >$context/nr_accesses/max &&
		echo 18446744073709551615 >$context/sz/max && echo 4294967295 >$context/age/max &&
		echo on >"$damon/state"
}

# DAMON samples a page of a region for the whole of it, so it is the coarser one: agree within a factor of two.
damon_agrees()
{
	local i seen=() middle ours

	[ -d /sys/kernel/mm/damon/admin ] || { skip='no DAMON in this kernel'; return; }
	damon_start || return 1
	for ((i = 0; i < ROUNDS; i++)); do
		seen+=($(($(damon_bytes) / 1024)))
	done
	echo off >"$damon/state"
	middle=$(printf '%s\n' "${seen[@]}" | median)
	ours=$(($(pf_get "$vm/wss_bytes") / 1024))
	note "DAMON sees $middle KiB (${seen[*]}), we $ours KiB"
	expect [ "$middle" -ge $((ours / 2)) ] && expect [ "$middle" -le $((ours * 2)) ]
}

small_boot()	{ pf_load && boot never; }
small_idle()	{ idle; }
small_reads()	{ touching 48 0; }
small_writes()	{ touching 24 32; }
small_intact()	{ intact; }
huge_idle()	{ idle; }
huge_reads()	{ touching 64 0; }
huge_writes()	{ touching 32 32; }
huge_intact()	{ intact; }

plan ${#subtests[@]}
for subtest in "${subtests[@]}"; do
	began=$SECONDS skip=
	"$subtest"
	status=$?
	note "$subtest took $((SECONDS - began)) s"
	result $status "$subtest${skip:+ # SKIP $skip}"
	[[ "$subtest:$status" != *_boot:1 ]] || finish
done
finish
