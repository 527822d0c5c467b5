#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two guests, each with our balloon, on a host that has not enough for both: pagefoldd gives to the busy one and
# takes back, keeps what one works with from the other's spike, and does not believe one that lies.
#
# How much there is to divide is set by what the host counts as short, so nothing but the guests decides.
# shellcheck disable=SC2317  # subtests are called by their names
# Its own run_subtests is for one guest and knows no log.
. /host/balloon/kvm.lib.sh
. "$(dirname "$0")/lib.sh"
[ -c /dev/kvm ] || skip_all 'no KVM in this host'
[ -e /host/balloon/initrd ] || skip_all 'nothing to boot a guest with a balloon from'
. "$(dirname "$0")/daemon.lib.sh"

RAM=320
WORK=140	# MiB that a busy one goes through, again and again
PACE=256	# pages of it in a millisecond
SHORT=$((RAM * 11 / 8))	# MiB for both where one is idle, and
CROWD=230	# where both are busy

# Attribute $2 of guest $1, in MiB.
mib()
{
	echo $(($(pf_get "vms/${Pid[$1]}/$2") / MIB))
}

state_is()
{
	equals "vms/${Pid[$1]}/state" "$2"
}

above()
{
	[ "$(mib "$1" "$2")" -ge "$3" ]
}

below()
{
	[ "$(mib "$1" "$2")" -lt "$3" ]
}

figures()
{
	local name

	for name in a b; do
		note "$name: uses $(mib $name usage_bytes) MiB, balloon $(mib $name balloon_bytes)," \
			"working set $(mib $name wss_bytes), target $(mib $name target_bytes)"
	done
}

# divide MIB [SPIKE…]: so much for both together, by the daemon's own sum: what they use and what is available, less
# the mark and a quarter of what lies between it and the next.
divide()
{
	configure $(($(available) + $(mib a usage_bytes) + $(mib b usage_bytes) - $1 - 5)) 1 "${@:2}"
}

# Used once and freed, so that the host has it still to give.
boot_one()
{
	boot "$1" $RAM 1 "$QUIET" -qmp "unix:/run/$1,server=on,wait=off" \
		-device virtio-balloon-pci,id=balloon0,deflate-on-oom=on && load &&
		must ask touch $((RAM - 100)) && pf_set register "${Pid[$1]} name=$1"
}

# Nothing is shared here: what both have equal would be given back by that.
boots()
{
	pf_load && boot_one a && boot_one b && pf_set run 0 && pf_set wss_samples 200 && pf_set wss_cpu_permille 100 &&
		pf_set wss_period_ms 3000 && configure 100 && start_daemon &&
		until_true said ' a .*monitor connected, balloon' && until_true said ' b .*monitor connected, balloon'
}

begin_work()
{
	use "$1" && must ask thrash $WORK /dev/null $PACE
}

# The agent has found all as it should be.
end_work()
{
	use "$1" && must ask calm
}

# The guest that works has more of the memory, and less of its own in the balloon. How much more depends on how little is
# enough for it: who has all that he uses asks for nothing, and nothing is taken without need.
has_the_memory()
{
	[ $(($(mib "$1" target_bytes) - $(mib "$2" target_bytes))) -ge 25 ] &&
		[ $(($(mib "$2" balloon_bytes) - $(mib "$1" balloon_bytes))) -ge 25 ]
}

idle_pays_for_busy()
{
	begin_work a && until_true above a wss_bytes $((WORK - 20)) && until_true below b wss_bytes $((WORK / 2)) ||
		return 1
	figures
	divide $SHORT && until_true has_the_memory a b
	local bad=$?

	figures
	return $bad
}

# The other way round, and nobody has lost anything.
memory_moves_back()
{
	end_work a && begin_work b && until_true has_the_memory b a
	local bad=$?

	figures
	return $bad
}

rounds()
{
	awk '$1 == "pagefoldd_rounds_total" { print $2 }' $metrics
}

# What the daemon reckons that guest $1 works with, in MiB.
active()
{
	awk -v mib=$MIB -v vm="\"$1\"}" 'index($1, "pagefoldd_vm_active_bytes") == 1 && index($1, vm) {
		print int($2 / mib) }' $metrics
}

# It is known by now that guest $1 works with so much.
works_with()
{
	[ "$(active "$1")" -ge "$2" ]
}

rounds_are()
{
	[ "$(rounds)" -ge "$1" ]
}

# The least that b was held to meanwhile and the least that it was seen to work with, into $held and $worked.
spiked()
{
	local now

	now=$(mib b target_bytes)
	[ "$now" -ge "$held" ] || held=$now
	now=$(active b)
	[ "$now" -ge "$least" ] || least=$now
	above a wss_bytes $((WORK - 20)) || { goal=$(($(rounds) + 20)); return 1; }
	rounds_are $goal
}

# Swap in its own memory: what b has to read back from there is what it loses by having less.
# shellcheck disable=SC2016  # for the guest to expand
give_swap()
{
	use b && must ask sh 'for m in zsmalloc lz4_compress lz4hc_compress zram; do
			[ ! -e /m/$m.ko ] || insmod /m/$m.ko || exit 1; done;
		echo 128M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0'
}

# The pages that b went through so far, and those that it had to read back, into $went and $back.
progress()
{
	use b && must ask working && [[ $answer =~ pages=([0-9]+) ]] && went=${BASH_REMATCH[1]} &&
		number_of pswpin /proc/vmstat && back=$value
}

# There is not enough for both, and each would get half. But b, which was there first, keeps what it works with, less
# 5 %. That is an estimate and moves: the lowest that was seen counts, and what b is used to lags a little behind it.
# And of what b does it loses no more than that.
noisy_neighbour()
{
	local goal held=$RAM worked least went back from lost

	until_true works_with b $((WORK - 20)) && goal=$(($(rounds) + 10)) && until_true rounds_are "$goal" &&
		worked=$(active b) && least=$worked &&
		give_swap && progress && from=$went lost=$back || return 1
	divide $CROWD 'spike_percent = 5' 'spike_window_s = 3600' && until_true below a target_bytes $((CROWD / 2)) ||
		return 1
	figures
	begin_work a && until_true spiked && progress || return 1
	from=$((went - from)) lost=$((back - lost))
	figures
	note "b went through $from pages, and had to read back $lost of them"
	note "b worked with $worked MiB, $least at least, and was held to $held, half of all is $((CROWD / 2))"
	expect [ $((worked * 95)) -gt $((CROWD * 50)) ] && expect [ $((held * 100 + 100)) -ge $((least * 92)) ] &&
		expect [ $((held * 100)) -ge $((worked * 85)) ] && expect [ $from -gt 0 ] &&
		expect [ $((lost * 100)) -le $((from * 5)) ] && end_work a && end_work b
}

# A guest without a driver writes itself into its device how much it holds. It holds nothing.
# shellcheck disable=SC2016  # for the guest to expand
claims()
{
	must ask sh 'for d in /sys/bus/pci/devices/*; do
			case $(cat $d/device) in 0x1002 | 0x1045) break ;; esac;
		done;
		echo ${d##*/} >/sys/bus/pci/drivers/virtio-pci/unbind && echo 1 >$d/enable &&
		set -- $(sed -n 5p $d/resource) && devmem $(($1 + 0x2004)) 32 '$(($1 * 256))
}

# What the daemon thinks of guest $1 is on record: it writes its figures after that, last in a round.
is_on_record()
{
	grep -q "^pagefoldd_vm_untrusted{.*name=\"$1\"} 1" $metrics
}

# It is found out by what it uses; what it claims counts for nothing, neither now nor for the next daemon.
liar_is_found_out()
{
	local before

	configure 100 && until_true state_is b none && use b && unload && until_true below b balloon_bytes 1 &&
		must ask touch $((RAM - 100)) || return 1
	before=$(freed b balloon)
	claims $((RAM / 2)) && until_true actual_is $((RAM / 2)) && until_true state_is b untrusted || return 1
	figures
	expect below b balloon_bytes 1 && expect [ "$(freed b balloon)" = "$before" ] || return 1
	until_true is_on_record b && kill_daemon && start_daemon && until_true said ' b .*monitor connected' &&
		until_true state_is b untrusted &&
		expect below b balloon_bytes 1
}

ends()
{
	note_costs
	expect grep -q '"name":"b","event":"untrusted"' $record || return 1
	[ ! -d /files ] || cp $record /files/
	kill -TERM "$pid" && wait "$pid" && pf_unload && use a && unload && console_clean
}

run_subtests boots idle_pays_for_busy memory_moves_back noisy_neighbour liar_is_found_out ends
finish
