#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The demo's part in the virtual host: guests, table, checksums, removal of the module under them.
#
# Then it gives way to four larger guests, which are promised more than there is. What it prints: see demo.lib.sh.
set -u
. /files/demo.lib.sh
pagefold=/sys/kernel/pagefold
guests=(idle cache rewrite)
ram=256		# MiB of each guest: room for its kernel and for the work
work=96		# MiB of work in each
passes=3	# equal pages fold in the first; two more show that it has settled
limit=150	# seconds for them
# Percent of one CPU. The default, auto, sinks to 2 when little is left to find; of a CPU that may be
# emulated here that is too little to watch.
budget=50

start_guests()
{
	local g pids=() i

	for g in "${guests[@]}"; do
		pf-guest start "$g" --memory "${ram}M" --work "$g" --work-mb "$work" \
			--seed "${#pids[@]}" &
		pids+=($!)
	done
	for i in "${!guests[@]}"; do
		wait "${pids[i]}" || fail "guest ${guests[i]} did not start"
		tell "guest ${guests[i]} is at work"
	done
}

# Nobody but udev's rule registers them.
wait_registered()
{
	local g pid vm i

	for g in "${guests[@]}"; do
		pid=$(pf-guest pid "$g") || fail "guest $g is gone"
		vm=$pagefold/vms/$pid
		for ((i = 0; i < 100; i++)); do
			[ -d "$vm" ] && break
			sleep 0.1
		done
		[ -d "$vm" ] || fail "guest $g (process $pid) was not registered within 10 s"
		tell "process $pid registered itself: $(<"$vm/name") in domain $(<"$vm/domain")"
	done
}

# Anonymous memory of all guests.
anonymous_bytes()
{
	local g sum=0 kib

	for g in "${guests[@]}"; do
		kib=$(awk '/^RssAnon:/ { print $2 }' "/proc/$(pf-guest pid "$g")/status")
		sum=$((sum + ${kib:-0}))
	done
	echo $((sum * 1024))
}

table()
{
	local text

	text=$(
		printf 'after %d s: %d passes; saved %s MiB, of it zero pages %s MiB\n' "$1" \
			"$(<"$pagefold/passes")" "$(mib "$(<"$pagefold/saved_bytes")")" \
			"$(mib $(($(<"$pagefold/zero_pages") * 4096)))"
		printf '%d frames shared, metadata %s MiB, CPU budget %d %%\n' \
			"$(<"$pagefold/frames")" "$(mib "$(<"$pagefold/metadata_bytes")")" \
			"$(<"$pagefold/cpu_percent_now")"
		"$PF_CTL/pagefoldctl" status
	) || fail "pagefoldctl status ended with status $?"
	draw "$text"
}

fold()
{
	local start=$SECONDS

	echo "$budget" >"$pagefold/cpu_percent" || fail "writing $budget to $pagefold/cpu_percent"
	echo 1 >"$pagefold/run" || fail "writing 1 to $pagefold/run"
	while [ "$(<"$pagefold/passes")" -lt "$passes" ]; do
		[ $((SECONDS - start)) -lt "$limit" ] ||
			fail "$(<"$pagefold/passes") of $passes passes were done within $limit s"
		sleep "$every"
		table $((SECONDS - start))
	done
}

verify()
{
	local g said

	for g in "${guests[@]}"; do
		said=$(pf-guest verify "$g" 2>/run/demo.err) ||
			fail "checksums of guest $g $1: $said $(cat /run/demo.err)"
		tell "checksums are right $1: $said"
	done
}

# While the checksums are computed it boots; it is too late for the tables above.
start_balloon()
{
	bash /files/demo-balloon.sh >/run/demo-balloon 2>&1 &
	balloon=$!
}

# What its script says for itself, and why it failed if it did.
finish_balloon()
{
	wait "$balloon"
	local rc=$?

	grep -E '^== |^failed: ' /run/demo-balloon
	[ "$rc" = 0 ] || { cat /run/demo-balloon >&2; exit 1; }
}

tell "loading pagefold.ko into Linux $(uname -r)"
insmod "$PF_MODULES/pagefold.ko" || fail "insmod pagefold.ko"
"$PF_CTL/udev/start" || fail "udevd did not start"
tell "starting three KVM guests of $ram MiB"
start_guests
wait_registered
before=$(anonymous_bytes)
rounds=$(pf-guest rounds rewrite)
tell "folding: the guests have $(mib "$before") MiB of this host in use"
fold
saved=$(<"$pagefold/saved_bytes")
tell "saved $(mib "$saved") MiB of $(mib "$before") MiB ($((100 * saved / before)) %)"
[ "$saved" -gt 0 ] || fail "nothing was saved"
start_balloon
verify "while folded"
finish_balloon
tell "guest rewrite wrote $((($(pf-guest rounds rewrite) - rounds) * 64)) pages meanwhile"
rmmod pagefold || fail "rmmod pagefold"
tell "pagefold.ko is removed, the guests run on"
verify "without the module"
for g in "${guests[@]}"; do
	pf-guest kill "$g"
done
bash /files/demo-overcommit.sh "$redraw" || exit 1
echo "saved $(mib "$saved") MiB of $(mib "$before") MiB ($((100 * saved / before)) %)"
