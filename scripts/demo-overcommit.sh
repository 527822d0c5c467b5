#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The demo's last part: four guests of 768 MiB on a host of 2 GiB, each of which uses most of its memory for a while.
#
# What one has freed its host does not know of, so without pagefoldd the host would have to swap, or to kill. The
# run is recorded, and /log gets the page that pagefoldctl makes of that.
PF_KEEP=1
. /files/demo.lib.sh
. /selftests/lib.sh
. /selftests/guests.lib.sh
. /selftests/overcommit.lib.sh
page=/log/report.html

start_all()
{
	local name

	swap_on || fail 'no swap on zram'
	for name in "${guests[@]}"; do
		start_guest "$name" || fail "guest $name did not start"
		tell "guest $name of $RAM MiB is at work; of this host $(meminfo MemAvailable) MiB are available"
	done
	manage_all || fail 'pagefoldd did not find the guests'
}

state_of_host()
{
	sed -n 's/^pagefoldd_host_state{.*"\(.*\)"} 1$/\1/p' $metrics
}

picture()
{
	local text

	text=$(
		printf 'after %d s: of %d MiB of this host %d are available (%s), %d in swap\n' "$SECONDS" \
			"$(meminfo MemTotal)" "$(meminfo MemAvailable)" "$(state_of_host)" "$(in_swap)"
		printf 'given back so far: %s\n' "$(given_back)"
		"$PF_CTL/pagefoldctl" status
	) || fail "pagefoldctl status ended with status $?"
	draw "$text"
}

given_back()
{
	freed_by_rungs | awk '{ printf "%s%s %s MiB", (NR > 1 ? ", " : ""), $1, $2 }'
}

# It asks for more than anybody has free; who has idle memory gives way.
job()
{
	local name=$1 work began=$SECONDS

	tell "guest $name uses $JOB MiB more for a while"
	pf-guest waste "$name" $JOB >/run/demo-job 2>/run/demo-job.err &
	work=$!
	while kill -0 $work 2>/dev/null; do
		sleep "$every"
		picture
	done
	wait $work || fail "the job of guest $name: $(cat /run/demo-job.err)"
	tell "guest $name had $(cat /run/demo-job) MiB, after $((SECONDS - began)) s"
}

verify()
{
	local said

	said=$(pf-guest verify "$1" 2>&1) || fail "checksums of guest $1: $said"
	tell "checksums are right: $said"
}

start_all
swapped=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
tell "four guests were promised $((RAM * ${#guests[@]})) MiB, and this host has $(meminfo MemTotal)"
for name in "${guests[@]}"; do
	job "$name"
done
for name in "${guests[@]}"; do
	verify "$name"
done
swapped=$(($(awk '$1 == "pswpout" { print $2 }' /proc/vmstat) - swapped))
tell "what each rung gave back: $(given_back); swapped out: $((swapped / 256)) MiB"
"$PF_CTL/pagefoldctl" report --record $record --output $page || fail 'pagefoldctl report'
stop_daemon
pf_unload || fail 'rmmod pagefold'
for name in "${guests[@]}"; do
	pf-guest stop "$name" >/dev/null || fail "guest $name did not end well"
done
