#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A live migration with free page hints: less is sent, and every page that counts arrives.
#
# Two QEMUs on this machine, one after the other the guest's home. Contents are written again while the
# migration runs, so that a page hinted and used again would be missed.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
# Not the faster one: what is written while the migration runs counts against hints.
CPU=max,la57=off
. "$top/selftests/balloon/guest.lib.sh"

MIB=512
# Memory that is reported when it gets free is zero, and costs nothing to send with or without hints
BALLOON=virtio-balloon-pci,id=balloon0,deflate-on-oom=on
declare -A sent
hinted=0

start_with()
{
	boot "source-$1" $MIB 1 '' -device "$BALLOON,free-page-hint=$1,iothread=iothread0" && load &&
		must ask touch 250
}

migration_ended()
{
	qmp query-migrate && [[ $reply =~ \"status\":\ \"(completed|failed|cancelled)\" ]] && how=${BASH_REMATCH[1]}
}

# migrate HINT: from source-HINT to target-HINT, memory written all the while.
migrate()
{
	local hint=$1

	must ask hold 60 21 || return 1
	start "target-$hint" $MIB 1 '' -device "$BALLOON,free-page-hint=$hint,iothread=iothread0" -incoming defer &&
		must qmp migrate-incoming "{\"uri\":\"unix:$WORK/migrate-$hint\"}" || return 1
	use "source-$hint"
	[ "$hint" = off ] || [ "$DRIVER" != ours ] || { attribute counters/hint_pages && hinted=$value; } || return 1
	# Slowly at first, or all has been sent before it is hinted
	must qmp migrate-set-parameters '{"max-bandwidth":4194304,"downtime-limit":500}' &&
		must qmp migrate "{\"uri\":\"unix:$WORK/migrate-$hint\"}" || return 1
	[ "$hint" = off ] || [ "$DRIVER" != ours ] || until_true counter_at_least hint_pages $((hinted + 40000)) ||
		return 1
	# Freed pages are hinted; taking them again while the migration runs is the danger. The answers may
	# come from either home.
	send touch 150
	send hold 60 22
	must qmp migrate-set-parameters '{"max-bandwidth":1073741824}' || return 1
	until_true migration_ended || return 1
	expect [ "$how" = completed ] || { note "$reply"; return 1; }
	sent[$hint]=$(jq .return.ram.transferred <<<"$reply")
	note "free-page-hint=$hint: $((sent[$hint] >> 20)) MiB sent, $(jq -c '.return.ram|{duplicate,normal}' <<<"$reply")"
}

# What arrived, seen by the guest in its new home.
arrived()
{
	stop "source-$1"
	use "target-$1"
	must ask verify && note "$answer" && expect [ "$answer" = 'pages=15360 wrong=0' ] &&
		must ask hold 200 23 && must ask verify && expect [ "${answer##*wrong=}" = 0 ]
}

boot_with_hints()
{
	start_with on
}

# What is hinted is the guest's again when it wants it, so it lacks nothing, and the balloon stays as it is. The
# migration goes nowhere: it is slow enough that hinting ends first, then the driver looks some times how much is
# available, and it is cancelled.
hints_leave_the_balloon()
{
	local left held

	must ask hold 100 20 && target 300 && until_true actual_is 300 && number_of MemFree /proc/meminfo &&
		left=$value && attribute actual_pages && held=$value || return 1
	must qmp migrate-set-parameters '{"max-bandwidth":65536}' &&
		must qmp migrate '{"uri":"exec:cat >/dev/null"}' && until_true counter_at_least hint_pages 1 &&
		until_settled attribute counters/hint_pages || return 1
	number_of MemFree /proc/meminfo &&
		note "free: $((left / 1024)) MiB; with $((last / 256)) MiB hinted $((value / 1024))" &&
		guest_lives 300 || return 1
	attribute counters/deflate_pressure_pages && expect [ "$value" = 0 ] && attribute actual_pages &&
		expect [ "$value" = "$held" ] && must ask verify && expect [ "${answer##*wrong=}" = 0 ] || return 1
	must qmp migrate_cancel && until_true migration_ended && expect [ "$how" = cancelled ] && must ask drop &&
		target $MIB && until_true actual_is $MIB && must ask touch 250
}

migrate_with_hints()
{
	migrate on
}

contents_arrive()
{
	arrived on
}

# Hinted memory is released once the migration is done, and the balloon works in the new home.
balloon_works_after()
{
	must ask drop && target 300 && until_true actual_is 300 && resident && note "host: $((rss / 1024)) MiB at 300" &&
		expect [ $((rss / 1024)) -le 320 ] && target $MIB && until_true actual_is $MIB && must ask hold 250 3 &&
		must ask verify && expect [ "${answer##*wrong=}" = 0 ]
}

without_hints_for_comparison()
{
	stop target-on
	start_with off && migrate off && arrived off
}

less_is_sent_with_hints()
{
	note "sent with hints: $((sent[on] >> 20)) MiB, without: $((sent[off] >> 20)) MiB"
	expect [ $((sent[on])) -lt $((sent[off])) ]
}

console_is_clean()
{
	console_clean
}

value=''
subtests=(boot_with_hints)
[ -z "$ours" ] || subtests+=(hints_leave_the_balloon)
subtests+=(migrate_with_hints contents_arrive balloon_works_after without_hints_for_comparison less_is_sent_with_hints
	console_is_clean)
plan_of=("${subtests[@]}")
[ $# = 0 ] || plan_of=("$@")
run_subtests "${plan_of[@]}"
