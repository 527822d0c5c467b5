#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd with real guests: it takes and gives back, is told what an operator wants, and outlives all.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

daemon=$PF_CTL/pagefoldd
[ -x "$daemon" ] || skip_all 'no pagefoldd was built'
log=/tmp/pagefoldd.log
conf=/etc/pagefold/pagefoldd.conf
MIB=$((1024 * 1024))
pid=
: >$log

# configure HIGH: the host counts as short below so many MiB; all quick, nothing held back.
configure()
{
	mkdir -p /etc/pagefold
	cat >$conf <<-END
	[host]
	high = $1MiB
	soft = $(($1 - 20))MiB
	hard = 20MiB
	low = 10MiB
	interval_ms = 500
	metrics = /tmp/metrics.prom
	[policy]
	step_percent = 20
	spike_percent = 100
	[ladder]
	share_s = 1
	report_s = 0
	END
}

start_daemon()
{
	"$daemon" >>$log 2>&1 &
	pid=$!
}

available()
{
	awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo
}

vm()
{
	echo "vms/$(pf-guest pid "$1")/$2"
}

said()
{
	grep -q -e "$1" $log
}

vm_above()
{
	[ "$(pf_get "$(vm "$1" "$2")" 2>/dev/null || echo 0)" -gt $(($3 * MIB)) ]
}

vm_is()
{
	[ "$(pf_get "$(vm "$1" "$2")" 2>/dev/null)" = "$3" ]
}

boot_with()
{
	local name=$1 modules=$2

	pf-guest start "$name" --memory 128M --work idle --work-mb 30 --seed "${name#d}" --modules "$modules" -- \
		-device virtio-balloon-device
}

boot()
{
	local p1 p2 p3

	boot_with d1 virtio_mmio,virtio_balloon & p1=$!
	boot_with d2 virtio_mmio,virtio_balloon & p2=$!
	boot_with d3 '' & p3=$!
	wait $p1 && wait $p2 && wait $p3 && pf_load
}

# It registers guests that were there before it, and reaches their monitors.
finds_running_guests()
{
	configure 100
	start_daemon
	until_true said 'd1 .*monitor connected, balloon' && until_true said 'd2 .*monitor connected' &&
		until_true vm_is d3 target_bytes 0 && expect vm_is d1 name d1
}

takes_memory()
{
	local before after

	before=$(pf_get "$(vm d1 usage_bytes)")
	configure $(($(available) + 60))
	kill -HUP $pid
	until_true vm_above d1 balloon_bytes 15 && until_true vm_above d2 balloon_bytes 15 || return 1
	until_true vm_above d1 achieved_bytes 15 || return 1
	after=$(pf_get "$(vm d1 usage_bytes)")
	note "d1 used $((before / MIB)) MiB, then $((after / MIB)); balloon $(($(pf_get "$(vm d1 balloon_bytes)") / MIB))"
	verify_guests d1 d2 d3
}

# Its device is there, nobody drives it: nothing is taken, and nothing but this guest waits.
guest_without_driver()
{
	expect vm_is d3 balloon_bytes 0 && expect vm_is d3 target_bytes 0
}

hand_set_outlives_sigkill()
{
	local target=$((50 * MIB)) i

	pf_set "$(vm d1 target_bytes)" $target || return 1
	until_true said 'd1 .*target 50MiB: set by hand' || return 1
	kill -KILL $pid
	wait $pid 2>/dev/null
	: >$log
	start_daemon
	until_true said 'd1 .*set by hand' && until_true said 'd2 .*monitor connected' || return 1
	expect vm_is d1 target_bytes $target || return 1
	! said "d2 .*set by hand" || return 1
	pf_set "$(vm d1 target_bytes)" 0
}

qemu_is_killed()
{
	pf-guest kill d2
	until_true said 'd2 .*gone' && kill -0 $pid
}

gives_back()
{
	configure 100
	kill -HUP $pid
	until_true vm_is d1 balloon_bytes 0 && until_true vm_is d1 target_bytes 0 && verify_guests d1 d3
}

module_goes_and_comes()
{
	pf_unload || return 1
	until_true said 'waiting for the module' && pf_load && until_true vm_is d1 name d1 &&
		until_true vm_is d3 name d3
}

# Two hundred VMs, as far as the module and the daemon see: processes that are registered and killed.
come_and_go()
{
	local i j found=0 batch=20 pids=()

	: >$log
	for ((i = 0; i < 200 / batch; i++)); do
		pids=()
		for ((j = 0; j < batch; j++)); do
			tail -f /dev/null &
			pids+=($!)
			pf_set register "$! name=gone" || return 1
		done
		until_true counted 'gone (.*found' $(((i + 1) * batch)) || return 1
		kill -KILL "${pids[@]}"
		wait "${pids[@]}" 2>/dev/null
		until_true counted 'gone (.*gone$' $(((i + 1) * batch)) || return 1
	done
	kill -0 $pid
}

counted()
{
	[ "$(grep -c -e "$1" $log)" -ge "$2" ]
}

ends()
{
	note "$(awk '/^Private_/ { sum += $2 } END { print sum }' /proc/$pid/smaps_rollup) KiB private," \
		"$(awk '{ print $14 + $15 }' /proc/$pid/stat) ticks"
	kill -TERM $pid && wait $pid && pf-guest stop d1 && pf-guest stop d3 && pf_unload
}

subtests=(boot finds_running_guests takes_memory guest_without_driver hand_set_outlives_sigkill qemu_is_killed
	gives_back module_goes_and_comes come_and_go ends)
run_subtests "${subtests[@]}"
[ -z "$pid" ] || kill -KILL $pid 2>/dev/null
finish
