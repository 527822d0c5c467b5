#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd end to end against a made-up host and VMs that are processes with a monitor.
#
# usage: test-daemon.sh PAGEFOLDD FAKE-VMS
# Waiting is for what the daemon writes; its limit only ends what will not happen any more.
set -u
daemon=${1:?usage: test-daemon.sh PAGEFOLDD FAKE-VMS}
fakes=${2:?usage: test-daemon.sh PAGEFOLDD FAKE-VMS}
unset JOURNAL_STREAM NOTIFY_SOCKET
root=$(mktemp -d) || exit 1
sys=$root/sys/kernel/pagefold
LIMIT=${LIMIT:-60}
number=0 bad=0 vms=() pid=
exec {tick}<> <(:)
MIB=$((1024 * 1024))

end_all()
{
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	[ ${#vms[@]} -eq 0 ] || kill -KILL "${vms[@]}" 2>/dev/null
	wait 2>/dev/null
	pid='' vms=()
}
trap 'end_all; rm -rf "$root"' EXIT

# host TOTAL-MIB AVAILABLE-MIB
host()
{
	printf 'MemTotal: %d kB\nMemAvailable: %d kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n' \
		$(($1 * 1024)) $(($2 * 1024)) >"$root/proc/meminfo.new"
	mv "$root/proc/meminfo.new" "$root/proc/meminfo"
}

fresh()
{
	end_all
	rm -rf "${root:?}"/*
	mkdir -p "$sys/vms" "$root"/{proc,run} "$root"/etc/pagefold/{vm.d,pagefoldd.conf.d}
	: >"$sys/register"
	echo 1 >"$sys/run"
	host 4096 100
	conf '[host]' 'interval_ms = 200' '[ladder]' 'share_s = 0' 'report_s = 0' 'deadline_s = 2'
}

conf()
{
	printf '%s\n' "$@" >"$root/etc/pagefold/pagefoldd.conf"
}

start_vms()
{
	"$fakes" "$root" "$@" &
	vms+=($!)
	disown
	until_true all_there "$1" "$2"
}

all_there()
{
	[ "$(cat "$sys"/vms/*/usage_bytes 2>/dev/null | wc -l)" -ge 1 ] &&
		[ "$(grep -l "^$1-" "$sys"/vms/*/name 2>/dev/null | wc -l)" -ge "$2" ]
}

start_daemon()
{
	"$daemon" --sysroot "$root" >"$root/out" 2>>"$root/log" &
	pid=$!
	disown
}

stop_daemon()
{
	kill "-${1:-TERM}" "$pid"
	until_true gone "$pid"
	pid=
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

until_true()
{
	local end=$((SECONDS + LIMIT))

	while ! "$@"; do
		[ $SECONDS -lt $end ] || { echo "# not within the limit: $*"; return 1; }
		read -r -t 0.05 -u "$tick"
	done
	return 0
}

expect()
{
	"$@" && return
	echo "# does not hold: $*"
	return 1
}

# dir_of NAME: the VM's directory in sysfs.
dir_of()
{
	local file

	file=$(grep -l -x "$1" "$sys"/vms/*/name) && echo "${file%/name}"
}

get()
{
	cat "$(dir_of "$1")/$2"
}

has()
{
	[ "$(get "$1" "$2")" = "$3" ]
}

below()
{
	[ "$(get "$1" "$2")" -lt "$(($3 * MIB))" ]
}

above()
{
	[ "$(get "$1" "$2")" -gt "$(($3 * MIB))" ]
}

said()
{
	grep -q -e "$1" "$root/log"
}

metric()
{
	grep -q -e "$1" "$root/metrics.prom" 2>/dev/null
}

# What pagefoldctl events and report read.
noted()
{
	grep -q -e "$1" "$root/run/pagefold/record.jsonl"
}

rounds()
{
	local n

	n=$(sed -n 's/^pagefoldd_rounds_total //p' "$root/metrics.prom" 2>/dev/null)
	[ "${n:-0}" -ge "$1" ]
}

with_metrics()
{
	conf '[host]' 'interval_ms = 200' "metrics = /metrics.prom" '[ladder]' 'share_s = 0' 'report_s = 0' \
		'deadline_s = 2'
}

dry_run_changes_nothing()
{
	mkdir "$root/run/pagefold"
	start_vms honest 2 1024 900 || return 1
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" || return 1
	expect [ "$(grep -c 'target .*: ' "$root/out")" = 2 ] && expect said 'host soft' &&
		expect has honest-0 target_bytes 0 && expect has honest-0 state none &&
		expect [ ! -e "$root/run/pagefold/targets" ]
}

a_short_host_takes_from_guests()
{
	start_vms honest 3 1024 900 || return 1
	start_daemon
	until_true below honest-0 usage_bytes 890 && until_true above honest-1 balloon_bytes 100 &&
		until_true above honest-2 achieved_bytes 100 && expect above honest-0 target_bytes 200 &&
		until_true said 'balloon to' && expect said 'monitor connected, balloon' &&
		expect noted '"type":"decision".*"name":"honest-0".*"why":"' &&
		expect noted '"event":"host-state",.*"text":"soft"' &&
		expect noted '"rung":"balloon"'
}

memory_comes_back()
{
	start_vms honest 2 1024 900 || return 1
	start_daemon
	until_true above honest-0 balloon_bytes 100 || return 1
	host 4096 3000
	until_true has honest-0 balloon_bytes 0 && until_true has honest-0 target_bytes 0 &&
		until_true has honest-1 balloon_bytes 0
}

hand_set_is_kept()
{
	with_metrics
	start_vms honest 2 1024 900 || return 1
	start_daemon
	until_true above honest-0 target_bytes 1 && until_true above honest-1 target_bytes 1 || return 1
	echo $((777 * MIB)) >"$(dir_of honest-0)/target_bytes"
	until_true metric 'target_bytes{.*name="honest-0"} 814743552' || return 1
	stop_daemon KILL
	rm "$root/metrics.prom"
	host 4096 3000
	start_daemon
	until_true has honest-1 target_bytes 0 && until_true rounds 5 &&
		expect has honest-0 target_bytes $((777 * MIB)) || return 1
	# "auto" gives it back.
	echo 0 >"$(dir_of honest-0)/target_bytes"
	until_true metric 'target_bytes{.*name="honest-0"} 1073741824'
}

# Whenever it dies, none of its own targets is an operator's to the next one.
killed_at_any_moment()
{
	local i

	start_vms honest 3 1024 900 || return 1
	for ((i = 0; i < 20; i++)); do
		host 4096 $((i % 2 ? 3000 : 50 + i * 5))
		start_daemon
		until_true passed $((${EPOCHREALTIME/.} + RANDOM * 60))
		stop_daemon KILL || return 1
	done
	expect said 'target .*: ' && ! said 'set by hand'
}

passed()
{
	[ "${EPOCHREALTIME/.}" -ge "$1" ]
}

hostile_peers_block_nobody()
{
	local kind

	for kind in hung slow huge garbage closing flood; do
		start_vms $kind 1 512 400 || return 1
	done
	start_vms honest 1 1024 900 || return 1
	with_metrics
	start_daemon
	until_true above honest-0 balloon_bytes 100 && until_true said 'huge-0.*longer than 32768' &&
		until_true said 'garbage-0.*no object' && until_true said 'closing-0.*\(closed\|cannot send\)' &&
		until_true said 'flood-0.*more than' && until_true said 'hung-0.*no greeting' &&
		until_true rounds 10 && expect gone_not "$pid"
}

gone_not()
{
	! gone "$1"
}

foreign_socket_is_refused()
{
	start_vms honest 1 512 400 && start_vms foreign 1 512 400 || return 1
	start_daemon
	until_true said 'foreign-0.*process .* listens, want the VM' && expect above honest-0 usage_bytes 1
}

a_liar_is_untrusted()
{
	with_metrics
	start_vms liar 1 1024 1000 || return 1
	start_daemon
	until_true has liar-0 state untrusted && expect has liar-0 balloon_bytes 0 &&
		until_true metric 'untrusted{.*name="liar-0"} 1' &&
		until_true metric 'freed_bytes_total{.*rung="balloon"} 0' &&
		until_true noted '"name":"liar-0","event":"untrusted"'
}

no_balloon_is_stuck()
{
	printf '[vm]\nmin = 25%%\npaging = yes\n' >"$root/etc/pagefold/vm.d/mute-0.conf"
	start_vms mute 1 1024 1000 && start_vms plain 1 1024 1000 || return 1
	start_daemon
	until_true has mute-0 state stuck && expect has plain-0 target_bytes 0 &&
		until_true said 'mute-0.*no balloon'
}

vms_come_and_go()
{
	local i victim

	with_metrics
	start_daemon
	until_true rounds 1 || return 1
	for ((i = 0; i < 20; i++)); do
		start_vms honest 2 512 400 || return 1
		until_true metric 'usage_bytes{.*honest-1' || return 1
		kill -KILL "${vms[-1]}"
		unset 'vms[-1]'
		rm -rf "$sys"/vms/* "$root"/proc/[0-9]*
		until_true no_metric 'usage_bytes{.*honest' || return 1
	done
	stop_daemon
}

no_metric()
{
	! metric "$1"
}

bad_configuration_is_refused()
{
	local row text want rc

	while IFS='|' read -r text want; do
		printf %b "$text" >"$root/etc/pagefold/pagefoldd.conf"
		"$daemon" --sysroot "$root" --dry-run --once >/dev/null 2>"$root/log"
		rc=$?
		expect [ $rc = 2 ] && expect said "$want" || { echo "# $text: $(cat "$root/log")"; return 1; }
	done <<-'END'
	[host]\nhigh = 6\n|pagefoldd.conf:2: high "6": want
	[host]\nhihg = 6%\n|pagefoldd.conf:2: \["host"\] "hihg": no such key
	[vm]\nshares = 1\nshares = 1\n|pagefoldd.conf:3: shares: given twice
	[policy]\n\nidle_tax_percent = 100\n|pagefoldd.conf:3: idle_tax_percent "100": want a number, 0 to 99
	rubbish\n|pagefoldd.conf:1: want \[section\] or key = value
	[vm]\npaging = maybe\n|pagefoldd.conf:2: paging "maybe": want one of no, yes
	[vm]\nqmp = x\n|pagefoldd.conf:2: qmp "x": want an absolute path
	[vm]\n\0000\n|NUL byte
	[host]\nsoft = 9%\n|want high > soft > hard > low
	[ladder]\npage_step = 1KB\n|pagefoldd.conf:2: page_step "1KB"
	END
	conf '[vm]'
	echo 'x = 1' >"$root/etc/pagefold/pagefoldd.conf.d/50-x.conf"
	"$daemon" --sysroot "$root" --dry-run --once 2>"$root/log"
	expect said 'pagefoldd.conf.d/50-x.conf:1: '
}

reload_keeps_what_was()
{
	with_metrics
	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true rounds 1 || return 1
	echo 'min = 1024MiB' | cat <(echo '[vm]') - >"$root/etc/pagefold/vm.d/honest-0.conf"
	kill -HUP "$pid"
	until_true has honest-0 target_bytes 0 || return 1
	echo '[host' >"$root/etc/pagefold/pagefoldd.conf"
	kill -HUP "$pid"
	until_true said 'pagefoldd.conf:1: .*stays as it was' && until_true rounds 5 && expect gone_not "$pid"
}

figures_are_whole()
{
	local i

	with_metrics
	start_vms honest 4 512 400 || return 1
	start_daemon
	until_true rounds 1 || return 1
	for ((i = 0; i < 300; i++)); do
		[ "$(tail -n 1 "$root/metrics.prom")" = '# EOF' ] || { echo '# cut off'; return 1; }
	done
	until_true rounds 3
}

# In figures: what a hundred VMs cost. The limits are wide, for a busy machine; the note tells.
a_hundred_vms_cost_little()
{
	local before after ticks kib began

	with_metrics
	sed -i 's/interval_ms = 200/interval_ms = 2000/' "$root/etc/pagefold/pagefoldd.conf"
	start_vms honest 100 512 300 || return 1
	start_daemon
	until_true rounds 3 || return 1
	before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	began=$SECONDS
	until_true rounds 8 || return 1
	after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	ticks=$((after - before))
	kib=$(awk '/^Private_/ { sum += $2 } END { print sum }' "/proc/$pid/smaps_rollup")
	echo "# $ticks ticks of $(getconf CLK_TCK) in $((SECONDS - began)) s for 5 rounds; $kib KiB private"
	expect [ "$ticks" -lt 200 ] && expect [ "$kib" -lt 16384 ]
}

tests=(dry_run_changes_nothing a_short_host_takes_from_guests memory_comes_back hand_set_is_kept
	killed_at_any_moment hostile_peers_block_nobody foreign_socket_is_refused a_liar_is_untrusted no_balloon_is_stuck
	vms_come_and_go bad_configuration_is_refused reload_keeps_what_was figures_are_whole
	a_hundred_vms_cost_little)
[ $# -le 2 ] || tests=("${@:3}")
echo 'KTAP version 1'
echo "1..${#tests[@]}"
for t in "${tests[@]}"; do
	number=$((number + 1))
	fresh
	if "$t"; then
		echo "ok $number $t"
	else
		bad=1
		sed 's/^/# log: /' "$root/log" 2>/dev/null | tail -n 15
		echo "not ok $number $t"
	fi
done
exit $bad
