#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Four guests of 768 MiB on a host of 2 GiB: each has used most of its RAM and freed it again, so the host
# would have to swap what nobody needs. With pagefoldd every guest finishes its work, and right.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

daemon=$PF_CTL/pagefoldd
[ -x "$daemon" ] || skip_all 'no pagefoldd was built'
log=/tmp/pagefoldd.log
guests=(o1 o2 o3 o4)
pid=
: >$log

swap_on()
{
	modprobe zram || return 1
	echo 1G >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
}

# The defaults, but for the bound on spikes: working sets are not known yet, so all would count as in use.
start_daemon()
{
	mkdir -p /etc/pagefold
	cat >/etc/pagefold/pagefoldd.conf <<-END
	[host]
	interval_ms = 1000
	metrics = /tmp/metrics.prom
	[policy]
	spike_percent = 100
	step_percent = 10
	[ladder]
	share_s = 1
	END
	"$daemon" >>$log 2>&1 &
	pid=$!
}

meminfo()
{
	awk -v key="$1:" '$1 == key { print int($2 / 1024) }' /proc/meminfo
}

sum_of()
{
	awk '{ sum += $1 } END { print int(sum / 1048576) }' "$PF_SYS"/vms/*/"$1"
}

figures()
{
	note "available $(meminfo MemAvailable) of $(meminfo MemTotal) MiB, in swap" \
		"$(($(meminfo SwapTotal) - $(meminfo SwapFree)));" \
		"guests use $(sum_of usage_bytes), balloons $(sum_of balloon_bytes), targets $(sum_of target_bytes)"
}

boot()
{
	local name

	pf_load && swap_on && start_daemon || return 1
	for name in "${guests[@]}"; do
		PF_GUEST_LIMIT=200 pf-guest start "$name" --memory 768M --work rewrite --work-mb 120 \
			--seed "${name#o}" --waste 500 --modules virtio_mmio,virtio_balloon -- -device virtio-balloon-device ||
			return 1
		[ -z "$(cat "$PF_SYS"/vms/*/usage_bytes 2>/dev/null)" ] || figures
	done
}

# More was used than the host has; balloons hold part of it, and the host is not short any more.
host_recovers()
{
	until_true balloons_hold 200 && until_true host_is high
	local bad=$?

	figures
	return $bad
}

balloons_hold()
{
	[ "$(sum_of balloon_bytes)" -ge "$1" ]
}

host_is()
{
	grep -q "^pagefoldd_host_state{.*\"$1\"} 1" /tmp/metrics.prom
}

everybody_works_on()
{
	local name before bad=0

	for name in "${guests[@]}"; do
		before=$(pf-guest rounds "$name")
		until_true further "$name" "$before" || bad=1
	done
	verify_guests "${guests[@]}" && return $bad
}

further()
{
	[ "$(pf-guest rounds "$1")" -gt "$2" ]
}

nobody_was_killed()
{
	kill -0 $pid && expect [ -z "$(dmesg | grep -i 'out of memory')" ]
}

rungs_are_recorded()
{
	note "freed: $(sed -n 's/^pagefoldd_vm_freed_bytes_total{.*name="\(.*\)",rung="\(.*\)"} /\1 \2 /p' \
		/tmp/metrics.prom | awk '{ sum[$2] += $3 } END { for (r in sum) printf "%s %d MiB ", r, sum[r] / 1048576 }')"
	grep -q 'rung="balloon"} [1-9]' /tmp/metrics.prom
}

all_end_well()
{
	local name bad=0

	for name in "${guests[@]}"; do
		pf-guest stop "$name" || bad=1
	done
	kill -TERM $pid && wait $pid && pf_unload && swapoff /dev/zram0 && return $bad
}

subtests=(boot host_recovers everybody_works_on rungs_are_recorded nobody_was_killed all_end_well)
run_subtests "${subtests[@]}"
finish
