# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd, for the tests of it with real guests. Sourced after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by those who source this

daemon=$PF_CTL/pagefoldd
[ -x "$daemon" ] || skip_all 'no pagefoldd was built'
log=/tmp/pagefoldd.log
record=/run/pagefold/record.jsonl
metrics=/tmp/metrics.prom
MIB=1048576
pid=
: >$log

# configure HIGH [SHARE_S [SPIKE…]]: the host counts as short below so many MiB; all quick, and by default nothing
# held back. The balloon's rung waits for $deadline_s, 30 if not said. What this host stalls for is not looked at: how
# busy it is must decide nothing here.
configure()
{
	mkdir -p /etc/pagefold/vm.d
	cat >/etc/pagefold/pagefoldd.conf <<-END
	[host]
	high = $1MiB
	soft = $(($1 - 20))MiB
	hard = 20MiB
	low = 10MiB
	psi_some_percent = 0
	psi_full_percent = 0
	interval_ms = 500
	record_s = 2
	metrics = $metrics
	[policy]
	step_percent = 20
	${3-spike_percent = 100}
	${4-spike_window_s = 2}
	[ladder]
	share_s = ${2-1}
	report_s = 0
	deadline_s = ${deadline_s:-30}
	END
	[ -z "$pid" ] || kill -HUP "$pid"
}

# as_in_unit COMMAND…: in the place of this shell, with the capabilities that the daemon's unit leaves it.
as_in_unit()
{
	local room

	room=$(dirname "$0")
	exec "$room/bounded" "$(sed -n 's/^CapabilityBoundingSet=//p' "$room/pagefoldd.service")" "$@"
}

start_daemon()
{
	as_in_unit "$daemon" >>$log 2>&1 &
	pid=$!
}

# Nothing that it was about to write comes after this.
kill_daemon()
{
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	: >$log
}

# What it holds of memory and took of the CPU, told to whoever reads the results.
note_costs()
{
	note "$(awk '/^Private_/ { sum += $2 } END { print sum }' "/proc/$pid/smaps_rollup") KiB private," \
		"$(awk '{ print $14 + $15 }' "/proc/$pid/stat") ticks"
}

available()
{
	awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo
}

said()
{
	grep -q -e "$1" $log
}

# What rung $2 has given back of guest $1, in MiB, as this daemon counts.
freed()
{
	awk -v key="name=\"$1\",rung=\"$2\"}" 'index($0, key) { mib = int($2 / 1048576) } END { print mib + 0 }' \
		$metrics
}
