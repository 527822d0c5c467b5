# SPDX-License-Identifier: GPL-2.0-only
# Four guests of 768 MiB on a host of 2 GiB, for the test of that and for the demo. Sourced after guests.lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by those who source this

daemon=$PF_CTL/pagefoldd
log=/tmp/pagefoldd.log
metrics=/tmp/metrics.prom
record=/run/pagefold/record.jsonl
guests=(o1 o2 o3 o4)
RAM=768
JOB=480		# MiB that a guest uses for a while
MIB=1048576
pid=
: >$log
# A job takes long where all this is emulated.
export PF_GUEST_LIMIT=600

swap_on()
{
	modprobe zram && echo 1G >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
}

# The defaults, but for what makes it quick, and the bound on spikes: working sets are not known at first, so all
# would count as in use.
start_daemon()
{
	mkdir -p /etc/pagefold
	cat >/etc/pagefold/pagefoldd.conf <<-END
	[host]
	interval_ms = 1000
	metrics = $metrics
	record_s = 2
	[policy]
	spike_percent = 100
	step_percent = 10
	[ladder]
	share_s = 1
	END
	"$daemon" >>$log 2>&1 &
	pid=$!
}

stop_daemon()
{
	kill -TERM "$pid" && wait "$pid" && rm -f $metrics && pid=
}

# start_guest NAME: one with our driver, to which the device allows to give back before the guest runs out of memory.
start_guest()
{
	pf-guest start "$1" --memory ${RAM}M --work rewrite --work-mb 100 --pause 200 --seed "${1#o}" \
		--kernel host --modules pagefold_balloon -- -device virtio-balloon-device,deflate-on-oom=on
}

# The same as people have it without Pagefold: the driver in the kernel, a device by its defaults.
start_stock()
{
	pf-guest start "$1" --memory ${RAM}M --work rewrite --work-mb 100 --pause 200 --seed "${1#s}" \
		--modules virtio_mmio,virtio_balloon -- -device virtio-balloon-device
}

# One after the other, for side by side none may be up in time.
start_guests_of()
{
	local name

	for name; do
		start_guest "$name" || return 1
	done
}

# The module and the daemon, which find the guests.
manage_all()
{
	pf_load && pf_set cpu_percent 10 && pf_set wss_period_ms 1000 && pf_set run 1 && start_daemon &&
		until_true balloons_answer ${#guests[@]}
}

balloons_answer()
{
	[ "$(grep -c '^pagefoldd_vm_balloon_answers{.*} 1$' $metrics 2>/dev/null)" = "$1" ]
}

host_is()
{
	grep -q "^pagefoldd_host_state{.*\"$1\"} 1" $metrics
}

# What all guests were made to give back, rung by rung.
freed_by_rungs()
{
	sed -n 's/^pagefoldd_vm_freed_bytes_total{.*rung="\(.*\)"} /\1 /p' $metrics |
		awk '{ sum[$1] += $2 } END { for (r in sum) printf "%s %d MiB\n", r, sum[r] / 1048576 }' | sort
}

meminfo()
{
	awk -v key="$1:" '$1 == key { print int($2 / 1024) }' /proc/meminfo
}

in_swap()
{
	echo $(($(meminfo SwapTotal) - $(meminfo SwapFree)))
}

# sum_of ATTRIBUTE: over all VMs, in MiB.
sum_of()
{
	awk '{ sum += $1 } END { print int(sum / 1048576) }' "$PF_SYS"/vms/*/"$1"
}
