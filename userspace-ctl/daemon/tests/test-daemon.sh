#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd end to end against a made-up host and VMs that are processes with a monitor.
#
# usage: [JOBS=6] test-daemon.sh PAGEFOLDD FAKE-VMS [TEST…]
# Waiting is for what the daemon writes; its limit only ends what will not happen any more.
set -u
daemon=${1:?usage: test-daemon.sh PAGEFOLDD FAKE-VMS}
fakes=${2:?usage: test-daemon.sh PAGEFOLDD FAKE-VMS}
man=$(dirname "$0")/../../man
openmetrics=$(dirname "$0")/../../tests/openmetrics.awk
. "$(dirname "$0")/lib.sh"

dry_run_changes_nothing()
{
	mkdir "$root/run/pagefold"
	start_vms honest 2 1024 900 || return 1
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" || return 1
	expect [ "$(grep -c 'target .*: ' "$root/out")" = 2 ] && expect said 'host soft' &&
		expect [ "$(grep -c 'uses 900MiB.*target 8[0-9][0-9]MiB: ' "$root/out")" = 2 ] &&
		expect has honest-0 target_bytes 0 && expect has honest-0 state none &&
		expect [ ! -e "$root/run/pagefold/targets" ]
}

# It tells who would be registered, whether the module is there or not, and registers nobody.
dry_run_names_who_is_missing()
{
	local dir

	start_vms idle 2 1024 900 || return 1
	dir=$(dir_of idle-1) && mv "$dir" "$root/away" || return 1
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" || return 1
	expect grep -q -x "pid-${dir##*/} (${dir##*/}): not registered, would be, in domain default" "$root/out" &&
		expect [ "$(grep -c 'would be' "$root/out")" = 1 ] && expect [ ! -s "$sys/register" ] || return 1
	mv "$sys" "$root/module"
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" || return 1
	expect [ "$(grep -c 'would be' "$root/out")" = 2 ] && expect said 'waiting for the module' || return 1
	mv "$root/module" "$sys"
	conf '[host]' 'register = no'
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" &&
		expect [ "$(grep -c 'would be' "$root/out")" = 0 ]
}

# Before its first pass the module cannot tell how much RAM a guest has, and without its monitor nobody can.
what_is_not_known_yet_is_said()
{
	start_vms plain 1 1024 900 || return 1
	echo 0 >"$(dir_of plain-0)/eligible_bytes"
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" || return 1
	expect grep -q 'plain-0 .*: its RAM is not known before' "$root/out" &&
		expect [ "$(grep -c 'no way' "$root/out")" = 0 ]
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

# The daemon that took it is no more when the host has enough again.
memory_comes_back_after_a_restart()
{
	start_vms honest 2 1024 900 || return 1
	start_daemon
	until_true above honest-0 balloon_bytes 30 && until_true above honest-1 balloon_bytes 30 || return 1
	stop_daemon KILL
	host 4096 3000
	start_daemon
	until_true has honest-0 fake_held 0 && until_true has honest-1 fake_held 0 &&
		until_true has honest-0 target_bytes 0
}

# 200 of 4096 MiB are less than high and more than soft: still short for who knows that it was.
limits_outlive_the_daemon()
{
	with_metrics
	start_vms honest 2 1024 900 || return 1
	start_daemon
	until_true below honest-0 target_bytes 890 && until_true above honest-0 balloon_bytes 30 &&
		until_true below honest-1 target_bytes 890 || return 1
	stop_daemon KILL
	hang honest-1
	rm "$root/metrics.prom" "$root/log"
	host 4096 200
	start_daemon
	until_true said 'host soft' && until_true rounds 5 && ! said 'its maximum\|no way to take' &&
		expect above honest-0 target_bytes 1 && expect below honest-0 target_bytes 890 &&
		expect above honest-1 target_bytes 1 && expect below honest-1 target_bytes 890
}

liars_are_remembered()
{
	with_metrics
	start_vms liar 1 1024 1000 || return 1
	start_daemon
	# What it is remembered by is written after what it is told by.
	until_true has liar-0 state untrusted && until_true grep -q ' 1$' "$root/run/pagefold/targets" || return 1
	stop_daemon KILL
	rm "$root/metrics.prom"
	start_daemon
	until_true rounds 5 && expect metric 'untrusted{.*name="liar-0"} 1'
}

# The report adds the lines up.
rungs_add_up_to_what_was_freed()
{
	with_metrics
	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true above honest-0 balloon_bytes 150 || return 1
	host 4096 3000
	until_true has honest-0 target_bytes 0 && until_true adds_up balloon && expect adds_up balloon
}

# adds_up RUNG: of the only VM.
adds_up()
{
	local noted freed

	freed=$(sed -n "s/^pagefoldd_vm_freed_bytes_total{.*rung=\"$1\"} //p" "$root/metrics.prom")
	noted=$(sed -n "s/.*\"rung\":\"$1\".*\"freed_bytes\":\([0-9]*\).*/\1/p" "$root/run/pagefold/record.jsonl" |
		awk '{ sum += $1 } END { printf "%d\n", sum }')
	[ "${freed:-0}" != 0 ] && [ "$freed" = "$noted" ]
}

# Nothing is what a guest with KVM works with; of one without nothing is known, so all counts.
idle_is_not_unknown()
{
	with_metrics
	start_vms idle 1 1024 900 && start_vms plain 1 1024 900 || return 1
	start_daemon
	until_true metric 'active_bytes{.*name="idle-0"} 0$' &&
		until_true metric "active_bytes{.*name=\"plain-0\"} $((900 * MIB))"
}

# Both use 900 MiB, and nothing is known of what either works with; but roomy-0 says that it has no use for most.
what_is_free_is_taken_first()
{
	with_metrics
	start_vms honest 1 1024 900 && start_vms roomy 1 1024 900 || return 1
	start_daemon
	until_true is_further_down roomy-0 honest-0 100 && until_true above roomy-0 balloon_bytes 300 &&
		expect is_further_down roomy-0 honest-0 100
}

# is_further_down NAME OTHER MIB: both have a target.
is_further_down()
{
	above "$1" target_bytes 0 && above "$2" target_bytes $(($(get "$1" target_bytes) / MIB + $3))
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

# The operator writes between the daemon's look and its own write: a file that is a pipe holds it there.
hand_set_meanwhile_is_kept()
{
	local dir pipe

	with_metrics
	start_vms honest 1 1024 900 || return 1
	dir=$(dir_of honest-0)
	start_daemon
	until_true below honest-0 target_bytes 890 && until_true more_rounds 20 || return 1
	host 4096 3000
	rm "$dir/zero_pages" && mkfifo "$dir/zero_pages" && exec {pipe}>"$dir/zero_pages" || return 1
	echo 0 >"$dir/zero_pages.new" && mv "$dir/zero_pages.new" "$dir/zero_pages"
	echo $((777 * MIB)) >"$dir/target_bytes"
	echo 0 >&"$pipe"
	exec {pipe}>&-
	until_true more_rounds 3 && expect has honest-0 target_bytes $((777 * MIB)) || return 1
	# Another one is told and recorded as well.
	echo $((666 * MIB)) >"$dir/target_bytes"
	until_true said 'honest-0.*target 666MiB: set by hand' &&
		until_true noted "\"from_bytes\":$((777 * MIB)),\"to_bytes\":$((666 * MIB)),.*\"why\":\"set by hand\""
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

# On a machine that is too busy to flood, the answer that never comes ends it: only the first is told.
hostile_peers_block_nobody()
{
	local kind

	for kind in hung slow huge garbage closing flood halfclosed injector; do
		start_vms $kind 1 512 400 || return 1
	done
	start_vms honest 1 1024 900 || return 1
	with_metrics
	start_daemon
	until_true above honest-0 balloon_bytes 100 && until_true said 'huge-0.*longer than 32768' &&
		until_true said 'garbage-0.*no object' && until_true said 'closing-0.*\(closed\|cannot send\)' &&
		until_true said 'halfclosed-0.*closed: the peer hung up' && until_true said 'injector-0.*no number' &&
		until_true said 'flood-0.*\(more than\|no answer\)' && until_true said 'hung-0.*no greeting' &&
		until_true rounds 10 && expect gone_not "$pid"
}

# Whoever greets well and lies then is tried again later, each time later: after n failures the n-th doubling of
# a second, so in so many seconds no more than that makes. The busier the machine the less.
liars_are_tried_later()
{
	local began=$SECONDS times most=2 due=1

	with_metrics
	start_vms traitor 1 512 400 || return 1
	start_daemon
	until_true said_often 2 'traitor-0.*monitor connected' && until_true more_rounds 80 || return 1
	times=$(grep -c 'traitor-0.*monitor connected' "$root/log")
	while [ $due -le $((SECONDS - began)) ]; do
		most=$((most + 1)) due=$((due * 2 + 1))
	done
	expect [ "$times" -le $most ] || { echo "# $times in $((SECONDS - began)) s"; return 1; }
}

# What a path leads to may be a file system that does not answer; a VM's user may have mounted it.
a_path_that_hangs_holds_up_nobody()
{
	[ -w /dev/fuse ] && unshare -m true 2>/dev/null || { lacks 'a file system that hangs'; return; }
	with_metrics
	start_vms honest 2 1024 900 || return 1
	mkdir "$root/hung"
	printf '[vm]\nqmp = %s\n' "$root/hung/qmp.sock" >"$root/etc/pagefold/vm.d/honest-0.conf"
	# shellcheck disable=SC2016  # for the inner shell
	unshare -m bash -c 'exec {fuse}<>/dev/fuse
		mount -i -t fuse -o "fd=$fuse,rootmode=40000,user_id=0,group_id=0" none "$1/hung" || exit 1
		exec "$2" --sysroot "$1"' bash "$root" "$daemon" >"$root/out" 2>>"$root/log" &
	pid=$!
	disown
	until_true said 'honest-0.*hung/qmp.sock: its file system does not answer' &&
		until_true above honest-1 balloon_bytes 30 && until_true more_rounds 20 &&
		expect [ "$(grep -c 'does not answer' "$root/log")" = 1 ] && stop_daemon
}

# Nor does it keep the VM from its others.
a_path_that_hangs_keeps_from_no_other()
{
	[ -w /dev/fuse ] && unshare -m true 2>/dev/null || { lacks 'a file system that hangs'; return; }
	start_vms twofold 1 1024 900 && : >"$root/none.sock" || return 1
	# shellcheck disable=SC2016  # for the inner shell
	unshare -m bash -c 'exec {fuse}<>/dev/fuse
		mount -i -t fuse -o "fd=$fuse,rootmode=100000,user_id=0,group_id=0" none "$1/none.sock" || exit 1
		exec "$2" --sysroot "$1"' bash "$root" "$daemon" >"$root/out" 2>>"$root/log" &
	pid=$!
	disown
	until_true said 'twofold-0.*none.sock: its file system does not answer' &&
		until_true said 'twofold-0.*monitor connected' && stop_daemon
}

# hang NAME: what /proc tells of its memory comes from a pipe that nobody writes to, as behind a lock.
hang()
{
	local proc

	proc=$(dir_of "$1") && proc=$root/proc/${proc##*/} && mv "$proc/cmdline" "$root/$1.cmdline" &&
		mkfifo "$proc/cmdline"
}

# With everything else of it looked at: idle-0 is registered, idle-1 is to be; and so are two that do not hang.
a_vm_that_hangs_holds_up_nobody()
{
	local i dir away=()

	with_metrics
	start_vms idle 4 1024 900 && hang idle-0 && hang idle-1 || return 1
	for i in 1 2; do
		dir=$(dir_of idle-$i) && away+=("${dir##*/}") && mv "$dir" "$root/away-$i" || return 1
	done
	dir=$(dir_of idle-0)
	start_daemon
	until_true enrolled "${away[1]}" && until_true above idle-3 balloon_bytes 30 && until_true more_rounds 20 &&
		expect said_not 'idle-0.*monitor connected' && ! enrolled "${away[0]}" || return 1
	cat "$root/idle-0.cmdline" >"$root/proc/${dir##*/}/cmdline"
	cat "$root/idle-1.cmdline" >"$root/proc/${away[0]}/cmdline"
	until_true said 'idle-0.*monitor connected' && until_true above idle-0 balloon_bytes 30 &&
		until_true enrolled "${away[0]}" && stop_daemon
}

# A look at idle-0 or idle-1 may take so long that its id is another process's then, or that it has closed its VM.
who_took_the_id_is_not_registered()
{
	local i dir proc=()

	with_metrics
	start_vms idle 3 1024 900 && hang idle-0 && hang idle-1 || return 1
	for i in 0 1 2; do
		dir=$(dir_of idle-$i) && proc+=("$root/proc/${dir##*/}") && mv "$dir" "$root/away-$i" || return 1
	done
	start_daemon
	until_true enrolled "${proc[2]##*/}" && until_true rounds 3 || return 1
	sed -i 's/ \([0-9]*\) 0$/ 9\1 0/' "${proc[0]}/stat" && rm "${proc[1]}/fd/3" || return 1
	cat "$root/idle-0.cmdline" >"${proc[0]}/cmdline"
	cat "$root/idle-1.cmdline" >"${proc[1]}/cmdline"
	until_true said "process ${proc[0]##*/} is not registered: it has ended" &&
		until_true said "process ${proc[1]##*/} is not registered: it has ended" &&
		expect enrolled "${proc[2]##*/}"
}

# go_on NAME: it hangs no more, neither for who waits nor for who looks at it later.
go_on()
{
	local proc fd

	proc=$(dir_of "$1") && proc=$root/proc/${proc##*/} && exec {fd}<>"$proc/cmdline" &&
		cp "$root/$1.cmdline" "$proc/cmdline.new" && mv "$proc/cmdline.new" "$proc/cmdline" || return
	cat "$root/$1.cmdline" >&"$fd"
	exec {fd}>&-
}

# take_over NAME UID
take_over()
{
	local dir

	dir=$(dir_of "$1") && sed -i "s/^Uid:.*/Uid:\t$2\t0\t0\t0/" "$root/proc/${dir##*/}/status"
}

# One user's VMs hang, more than there are threads; honest-0 is another's, and comes later. His own wait.
who_hangs_keeps_others_from_nothing()
{
	local i dir honest idle

	with_metrics
	host 4096 3000
	start_vms idle 66 64 48 && start_vms honest 1 64 48 && take_over honest-0 12345 || return 1
	honest=$(dir_of honest-0) idle=$(dir_of idle-65) && mv "$honest" "$root/honest" || return 1
	for ((i = 0; i < 65; i++)); do
		hang idle-$i || return 1
	done
	start_daemon
	until_true said 'idle-.*looked for later' && until_true more_rounds 3 || return 1
	# When the module comes all are registered that run.
	mv "$sys" "$root/module" && until_true said 'waiting for the module' || return 1
	: >"$root/module/register"
	mkdir "$root/proc/${honest##*/}/fd" && ln -s anon_inode:kvm-vm "$root/proc/${honest##*/}/fd/3" &&
		mv "$root/module/vms/${idle##*/}" "$root/idle" && mv "$root/module" "$sys" &&
		until_true enrolled "${honest##*/}" && mv "$root/honest" "$honest" &&
		until_true said 'honest-0.*monitor\( connected\|: \)' &&
		until_true said "process ${idle##*/} is registered later" || return 1
	for ((i = 0; i < 65; i++)); do
		go_on idle-$i || return 1
	done
	until_true enrolled "${idle##*/}" && until_true said_often 65 'idle-.*monitor connected'
}

foreign_socket_is_refused()
{
	start_vms honest 1 512 400 && start_vms foreign 1 512 400 || return 1
	start_daemon
	until_true said 'foreign-0.*process .* listens, want the VM' && expect above honest-0 usage_bytes 1
}

a_second_monitor_is_tried()
{
	start_vms twofold 1 1024 900 || return 1
	start_daemon
	until_true said 'twofold-0.*none.sock: No such file' && until_true said 'twofold-0.*monitor connected' &&
		until_true above twofold-0 balloon_bytes 30
}

# Whoever may write another's file could name any socket there, and another user may listen on his own.
sockets_are_checked()
{
	[ "$(id -u)" = 0 ] || { lacks 'the rights of root'; return; }
	start_vms honest 3 512 400 || return 1
	mv "$root/honest-0.sock" "$root/away.sock" && ln -s away.sock "$root/honest-0.sock" &&
		chown 12345 "$root/honest-1.sock" && chmod 755 "$root" || return 1
	start_daemon
	until_true said 'honest-0.*honest-0.sock: not a socket' &&
		until_true said 'honest-1.*honest-1.sock: belongs to user 12345, want 0 or root' &&
		until_true said 'honest-2.*monitor connected' && ! said 'honest-[01].*monitor connected'
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

# Also of one that is in the emergency, whose state does not say so.
a_liar_is_told_of_once()
{
	with_pause
	start_vms liar 1 1024 1000 || return 1
	start_daemon
	until_true noted '"name":"liar-0","event":"untrusted"' && until_true has liar-0 state emergency &&
		until_true more_rounds 10 || return 1
	expect [ "$(grep -c '"name":"liar-0","event":"untrusted"' "$root/run/pagefold/record.jsonl")" = 1 ]
}

no_balloon_is_stuck()
{
	printf '[vm]\nmin = 25%%\npaging = yes\n' >"$root/etc/pagefold/vm.d/mute-0.conf"
	start_vms mute 1 1024 1000 && start_vms plain 1 1024 1000 || return 1
	start_daemon
	until_true has mute-0 state stuck && expect has plain-0 target_bytes 0 &&
		until_true said 'mute-0.*no balloon'
}

# Of a host that has swap, and may page its guests out.
with_paging()
{
	host 8192 60 4096 4000
	conf '[host]' 'interval_ms = 200' 'record_s = 1' 'metrics = /metrics.prom' '[ladder]' 'share_s = 0' 'report_s = 0' \
		'deadline_s = 1' 'emergency_s = 3600' 'page_step = 8MiB' '[vm]' 'paging = yes'
}

paged_to()
{
	local used freed

	used=$(get "$1" usage_bytes)
	freed=$(sed -n "s/^pagefoldd_vm_freed_bytes_total{.*name=\"$1\",rung=\"page\"} //p" "$root/metrics.prom" \
		2>/dev/null)
	# Usage and swap are two files: a step that falls between the two reads is credited to nobody.
	[ "$used" -le $(($2 * MIB)) ] && [ "${freed:-0}" -le $((1000 * MIB - used)) ] &&
		[ "${freed:-0}" -ge $(((1000 * MIB - used) / 2)) ]
}

# No more than it should, by its own cgroup alone, and what came of it is told by the rung.
paging_brings_it_to_its_target()
{
	with_paging
	start_vms mute 2 1024 1000 && start_vms plain 1 1024 1000 || return 1
	echo $((900 * MIB)) >"$(dir_of mute-0)/target_bytes"
	echo $((900 * MIB)) >"$(dir_of plain-0)/target_bytes"
	printf '[vm]\npaging = no\n' >"$root/etc/pagefold/vm.d/mute-1.conf"
	start_daemon
	until_true paged_to mute-0 908 && until_true has mute-0 state none && expect above mute-0 usage_bytes 880 &&
		until_true noted '"name":"mute-0","rung":"pageout","from_bytes".*freed_bytes' || return 1
	# Nor does it take a monitor.
	until_true paged_to plain-0 908 || return 1
	until_true noted "\"name\":\"mute-0\".*\"swapped_bytes\":$((1000 * MIB - $(get mute-0 usage_bytes)))," || return 1
	expect has mute-1 usage_bytes $((1000 * MIB)) && expect has mute-1 fake_paged 0 &&
		expect metric 'page_asked_bytes_total{.*name="mute-1"} 0' &&
		expect metric "swapped_bytes{.*name=\"mute-0\"} $((1000 * MIB - $(get mute-0 usage_bytes)))" &&
		expect metric 'double_paged_bytes_total{.*name="mute-0"} 0'
}

# A kernel that finds nothing is not asked in each round, and that is told once.
paging_for_nothing_is_left()
{
	local asked

	with_paging
	start_vms dry 1 1024 1000 || return 1
	echo $((600 * MIB)) >"$(dir_of dry-0)/target_bytes"
	start_daemon
	until_true said 'dry-0.*cannot page out 8MiB: the kernel finds no more' && until_true more_rounds 25 || return 1
	asked=$(sed -n 's/^pagefoldd_vm_page_asked_bytes_total{.*} //p' "$root/metrics.prom")
	expect [ "$asked" -ge $((8 * MIB)) ] && expect [ "$asked" -le $((80 * MIB)) ] &&
		expect [ "$(grep -c 'cannot page out' "$root/log")" = 1 ]
}

# All of more VMs than are taken at a time, and none twice as often as another.
all_are_paged_in_turn()
{
	local dir

	with_paging
	sed -i 's/page_step = 8MiB/page_step = 1MiB/' "$root/etc/pagefold/pagefoldd.conf"
	start_vms mute 80 1024 1000 || return 1
	for dir in "$sys"/vms/[0-9]*; do
		echo $((600 * MIB)) >"$dir/target_bytes"
	done
	start_daemon
	until_true paged_alike 6
}

paged_alike()
{
	cat "$sys"/vms/[0-9]*/fake_paged | awk -v least="$1" '
		NR == 1 || $1 < min { min = $1 }
		$1 > max { max = $1 }
		END { exit !(min >= least && max <= 2 * min) }'
}

# A host in need whose guests are stopped after a second.
with_pause()
{
	host 4096 20
	conf '[host]' 'interval_ms = 200' 'metrics = /metrics.prom' '[ladder]' 'share_s = 0' 'report_s = 0' \
		'deadline_s = 1' 'emergency_s = 1' '[vm]' 'emergency = pause'
}

a_pause_ends_with_the_emergency()
{
	with_pause
	start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true has mute-0 fake_stopped 1 || return 1
	host 4096 3000
	until_true has mute-0 fake_stopped 0 && until_true said 'mute-0.*it goes on'
}

# Neither the daemon's end, nor the monitor's, nor the module's leaves a guest stopped for ever.
a_pause_ends_after_a_restart()
{
	with_pause
	start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true has mute-0 fake_stopped 1 || return 1
	stop_daemon KILL
	host 4096 3000
	start_daemon
	until_true has mute-0 fake_stopped 0
}

a_pause_ends_after_the_monitor_was_lost()
{
	with_pause
	start_vms fickle 1 1024 1000 || return 1
	start_daemon
	until_true has fickle-0 fake_stopped 1 && until_true said 'fickle-0.*closed' || return 1
	host 4096 3000
	until_true has fickle-0 fake_stopped 0
}

a_pause_ends_after_the_module_was_gone()
{
	local dir

	with_pause
	start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true has mute-0 fake_stopped 1 || return 1
	dir=$(dir_of mute-0)
	mv "$sys" "$root/away"
	until_true said 'mute-0.*gone' && until_true said 'waiting for the module' || return 1
	host 4096 3000
	expect [ "$(cat "$root/away/vms/${dir##*/}/fake_stopped")" = 1 ] && mv "$root/away" "$sys" &&
		until_true has mute-0 fake_stopped 0
}

# As at SIGTERM: the host may be as short as before.
balloons_stay_when_the_module_goes()
{
	local dir held

	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true above honest-0 balloon_bytes 150 || return 1
	dir=$(dir_of honest-0)
	mv "$sys" "$root/away" && until_true said 'waiting for the module' || return 1
	held=$(cat "$root/away/vms/${dir##*/}/fake_held")
	mv "$root/away" "$sys" && until_true said_twice 'honest-0.*monitor connected' &&
		expect [ "$(get honest-0 fake_held)" -ge "$held" ]
}

# It closes its files first, then forgets its VMs one by one, and only then goes.
a_module_that_goes_takes_nobody_out()
{
	local dir held

	with_pause
	start_vms honest 1 1024 900 && start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true above honest-0 balloon_bytes 30 && until_true has mute-0 fake_stopped 1 || return 1
	mkdir "$root/unregistered" && rm "$sys/register" || return 1
	dir=$(dir_of honest-0) && held=$(get honest-0 fake_held) && mv "$sys"/vms/[0-9]* "$root/unregistered/" &&
		until_true said 'honest-0.*gone' && until_true said 'mute-0.*gone' && until_true more_rounds 10 &&
		expect said_not 'taken out' && dir=$root/unregistered/${dir##*/} &&
		expect [ "$(cat "$dir/fake_held")" -ge "$held" ] &&
		expect [ "$(cat "$root"/unregistered/*/fake_stopped | sort | tail -n 1)" = 1 ]
}

# Nobody is there any more who would.
who_is_taken_out_gets_all_back()
{
	local dir stood

	with_pause
	start_vms honest 1 1024 900 && start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true above honest-0 fake_held 30 && until_true has mute-0 fake_stopped 1 || return 1
	dir=$(dir_of honest-0) stood=$(dir_of mute-0)
	mkdir "$root/unregistered" && mv "$dir" "$stood" "$root/unregistered/" || return 1
	dir=$root/unregistered/${dir##*/} stood=$root/unregistered/${stood##*/}
	until_true said 'honest-0.*has back what it gave' && until_true said 'mute-0.*has back what it gave' &&
		expect [ "$(cat "$dir/fake_held")" = 0 ] && expect [ "$(cat "$stood/fake_stopped")" = 0 ] || return 1
	# It is one like others when it is registered again, and stands or gives because it has to.
	mv "$dir" "$sys/vms/" && until_true above honest-0 fake_held 30
}

# Also what an earlier daemon took of it, when this one has not heard its monitor yet.
who_is_taken_out_gets_back_what_was_taken_before()
{
	local dir

	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true above honest-0 fake_held 30 || return 1
	stop_daemon KILL && rm "$root/log" && mv "$root/honest-0.sock" "$root/away.sock" || return 1
	start_daemon
	until_true said 'honest-0.*monitor: .*No such file' || return 1
	dir=$(dir_of honest-0)
	mkdir "$root/unregistered" && mv "$dir" "$root/unregistered/" && until_true said 'honest-0.*gone' &&
		mv "$root/away.sock" "$root/honest-0.sock" && until_true said 'honest-0.*has back what it gave' &&
		expect [ "$(cat "$root/unregistered/${dir##*/}/fake_held")" = 0 ]
}

# on_record DIRECTORY TARGET: both of them, which is what a VM that comes back is held to at once.
on_record()
{
	grep -q "^${1##*/} [0-9]* $2 $2 " "$root/run/pagefold/targets"
}

# Whether or not it had anything to give back: who comes back is held to less step by step, as any other.
who_was_taken_out_begins_anew()
{
	local gave paged

	with_paging
	start_vms honest 1 1024 900 && start_vms plain 1 1024 900 || return 1
	start_daemon
	until_true above honest-0 fake_held 30 && until_true below plain-0 target_bytes 880 || return 1
	gave=$(dir_of honest-0) paged=$(dir_of plain-0)
	mkdir "$root/unregistered" && mv "$gave" "$paged" "$root/unregistered/" &&
		until_true on_record "$gave" 0 && until_true on_record "$paged" 0
}

# The monitor that it is stopped through is not left before it goes on, balloon or not.
a_pause_ends_without_a_balloon()
{
	with_pause
	start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true has mute-0 fake_stopped 1 || return 1
	printf '[vm]\nballoon = no\n' >"$root/etc/pagefold/vm.d/mute-0.conf"
	kill -HUP "$pid"
	until_true said 'configuration read again' && until_true more_rounds 5 || return 1
	host 4096 3000
	until_true has mute-0 fake_stopped 0 && until_true said 'mute-0.*monitor is left'
}

# Who was stopped by somebody else, or stands for another reason when it is over, is not let go on.
who_stands_already_stands()
{
	with_pause
	start_vms halted 1 1024 1000 && start_vms moved 1 1024 1000 && start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true said 'emergency: stopping it' && host 4096 12 && until_true has mute-0 fake_stopped 1 &&
		until_true has moved-0 fake_stopped 1 && until_true has halted-0 state emergency && until_true more_rounds 15 || return 1
	expect [ "$(grep -c 'halted-0.*stopping it' "$root/log")" = 0 ] || return 1
	host 4096 3000
	until_true has mute-0 fake_stopped 0 && until_true said 'mute-0.*it goes on' &&
		until_true said 'moved-0.*stands for another reason' && until_true more_rounds 5 || return 1
	expect has halted-0 fake_stopped 1 && expect has moved-0 fake_stopped 1
}

# What one gives may be enough: first the one that is furthest above its target, of two the one with
# fewer shares. The others wait.
the_emergency_strikes_one_at_a_time()
{
	with_pause
	sed -i 's/deadline_s = 1/deadline_s = 3600/' "$root/etc/pagefold/pagefoldd.conf"
	printf '[vm]\nemergency = pause\nshares = 50\n' >"$root/etc/pagefold/vm.d/mute-2.conf"
	start_vms mute 3 1024 1000 || return 1
	echo $((900 * MIB)) >"$(dir_of mute-0)/target_bytes"
	echo $((300 * MIB)) >"$(dir_of mute-1)/target_bytes"
	echo $((300 * MIB)) >"$(dir_of mute-2)/target_bytes"
	start_daemon
	until_true has mute-0 state emergency && until_true has mute-1 state emergency &&
		until_true has mute-2 fake_stopped 1 && until_true more_rounds 10 || return 1
	expect has mute-0 fake_stopped 0 && expect has mute-1 fake_stopped 0 || return 1
	sed -i 's/deadline_s = 3600/deadline_s = 1/' "$root/etc/pagefold/pagefoldd.conf"
	kill -HUP "$pid"
	# Nor after that, while nobody grows: to stop them frees nothing.
	until_true said 'mute.*not stopped as well' && until_true more_rounds 15 &&
		expect has mute-0 fake_stopped 0 && expect has mute-1 fake_stopped 0 || return 1
	host 4096 14
	until_true has mute-1 fake_stopped 1 && until_true more_rounds 15 && expect has mute-0 fake_stopped 0 || return 1
	host 4096 8
	until_true has mute-0 fake_stopped 1
}

with_quit()
{
	with_pause
	sed -i -e 's/emergency = pause/emergency = quit/' -e "s/deadline_s = 1/deadline_s = $1/" \
		"$root/etc/pagefold/pagefoldd.conf"
}

count_is()
{
	# shellcheck disable=SC2012  # names are numbers
	[ "$(ls -d "$sys"/vms/[0-9]* 2>/dev/null | wc -l)" = "$1" ]
}

# A process is ended, and when that was enough the others are left alone and get all back.
the_emergency_ends_one_at_a_time()
{
	with_quit 3600
	printf '[vm]\nemergency = quit\nshares = 50\n' >"$root/etc/pagefold/vm.d/mute-2.conf"
	start_vms mute 3 1024 1000 || return 1
	start_daemon
	until_true count_is 2 && until_true said 'mute-2.*emergency: ending it' && until_true said 'mute-2.*gone' &&
		until_true noted '"name":"mute-2","event":"emergency"' && until_true more_rounds 10 || return 1
	expect count_is 2 && expect has mute-0 state emergency && expect has mute-1 state emergency || return 1
	host 4096 3000
	until_true has mute-0 state none && until_true has mute-1 state none &&
		until_true has mute-0 target_bytes 0 && expect count_is 2 && expect gone_not "$pid"
}

# Of a VM that neither gives nor may be paged the emergency is all there is; before that it is left alone.
the_emergency_needs_no_other_rung()
{
	with_quit 3600
	host 4096 60
	start_vms mute 1 1024 1000 || return 1
	start_daemon
	until_true said 'host hard' && until_true more_rounds 5 && expect has mute-0 target_bytes 0 || return 1
	host 4096 20
	until_true count_is 0 && expect said 'mute-0.*emergency: ending it'
}

# Whoever does not end is not struck for ever while others are spared, nor forgotten.
who_survives_the_end_is_seen_again()
{
	local quits

	with_quit 1
	start_vms immortal 3 1024 1000 || return 1
	echo $((300 * MIB)) >"$(dir_of immortal-0)/target_bytes"
	echo $((500 * MIB)) >"$(dir_of immortal-1)/target_bytes"
	echo $((700 * MIB)) >"$(dir_of immortal-2)/target_bytes"
	start_daemon
	until_true said 'immortal-0.*did not end' && until_true asked_to_end immortal-2 1 &&
		until_true asked_to_end immortal-0 2 &&
		expect [ "$(struck)" = 'immortal-0 immortal-1 immortal-2 ' ] || return 1
	host 4096 3000
	echo 0 >"$(dir_of immortal-0)/target_bytes"
	echo 0 >"$(dir_of immortal-1)/target_bytes"
	echo 0 >"$(dir_of immortal-2)/target_bytes"
	until_true has immortal-0 state none && until_true has immortal-1 state none || return 1
	quits=$(get immortal-0 fake_quits)
	until_true more_rounds 15 && expect has immortal-0 fake_quits "$quits" || return 1
	# The next emergency finds it as any other.
	host 4096 20
	until_true asked_to_end immortal-0 $((quits + 1))
}

# The first three.
struck()
{
	sed -n 's/.*"name":"\([^"]*\)","event":"emergency".*/\1/p' "$root/run/pagefold/record.jsonl" | head -n 3 |
		tr '\n' ' '
}

asked_to_end()
{
	[ "$(get "$1" fake_quits)" -ge "$2" ]
}

# The shell's limit is not the daemon's; and at the limit that is nobody's to raise guests lack a monitor only.
many_guests_take_many_files()
{
	with_metrics
	start_vms honest 40 512 400 || return 1
	ulimit -S -n 48
	start_daemon
	ulimit -S -n "$(ulimit -H -n)"
	until_true connected 40 && expect said_not 'Too many open files' || return 1
	stop_daemon && rm "$root/log" "$root/metrics.prom"
	(ulimit -n 48 && exec "$daemon" --sysroot "$root" >"$root/out" 2>>"$root/log") &
	pid=$!
	disown
	until_true said_often 20 'socket: Too many open files' && until_true more_rounds 10 && until_true connected 1 &&
		expect [ "$(grep -c '^pagefoldd_vm_usage_bytes{' "$root/metrics.prom")" = 40 ] &&
		expect said_not 'waiting for the module' && expect said_not ': gone'
}

# Nor is anybody gone when vms/ cannot be looked at: here it is a link to itself for a while.
unread_is_not_gone()
{
	with_metrics
	host 4096 3000
	mv "$sys/vms" "$sys/there" && ln -s there "$sys/vms" && start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true connected 1 && ln -s vms "$sys/new" && mv -T "$sys/new" "$sys/vms" &&
		until_true said_often 3 'pagefold/vms: Too many levels' || return 1
	ln -s there "$sys/new" && mv -T "$sys/new" "$sys/vms" && until_true more_rounds 3 &&
		expect said_not 'waiting for the module' && expect said_not ': gone'
}

connected()
{
	[ "$(grep -c 'monitor connected' "$root/log")" -ge "$1" ]
}

# A directory that is not there, or not the daemon's to write, is told once and not in each round.
unwritten_figures_are_told_once()
{
	conf '[host]' 'interval_ms = 200' 'record_s = 1' 'metrics = /nowhere/metrics.prom'
	start_daemon
	until_true samples_of '"type":"host"' 4 && expect [ "$(grep -c 'nowhere/metrics.prom.*No such file' "$root/log")" = 1 ] &&
		mkdir "$root/nowhere" && until_true [ -s "$root/nowhere/metrics.prom" ] &&
		rm -r "$root/nowhere" && until_true said_often 2 'nowhere/metrics.prom.*No such file'
}

# samples_of PATTERN NUMBER: so many lines of the record, or more.
samples_of()
{
	local n

	n=$(grep -c -e "$1" "$root/run/pagefold/record.jsonl" 2>/dev/null)
	[ "${n:-0}" -ge "$2" ]
}

# Two of them would take each other's targets for the operator's; a dry run harms nobody.
there_is_but_one()
{
	with_metrics
	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true rounds 1 || return 1
	"$daemon" --sysroot "$root" --once >"$root/out" 2>"$root/second"
	expect [ $? = 1 ] && expect grep -q "run/pagefold/lock: process $pid holds it: another" "$root/second" &&
		"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>&1 && expect gone_not "$pid" || return 1
	stop_daemon KILL && rm "$root/metrics.prom"
	start_daemon
	until_true rounds 1
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
	[host]\nlibvirt_uri = qemu+ssh://x/system\n|pagefoldd.conf:2: libvirt_uri "qemu+ssh://x/system": want qemu:///system,
	[host]\nlibvirt_uri = qemu:///session\n|libvirt_uri "qemu:///session": want
	[host]\nlibvirt_uri = qemu:///session?socket=x\n|libvirt_uri .*: want
	[host]\nlibvirt_uri = qemu:///system?socket=/x&no_verify=1\n|libvirt_uri .*: want
	[host]\nsoft = 9%\n|want high > soft > hard > low
	[ladder]\npage_step = 1KB\n|pagefoldd.conf:2: page_step "1KB"
	END
	conf '[vm]'
	echo 'x = 1' >"$root/etc/pagefold/pagefoldd.conf.d/50-x.conf"
	"$daemon" --sysroot "$root" --dry-run --once 2>"$root/log"
	expect said 'pagefoldd.conf.d/50-x.conf:1: '
}

# What the daemon records is what the report draws: each VM with a timeline of its own.
a_run_can_be_reported()
{
	local ctl=${daemon%d}ctl page=$root/run.html

	with_metrics
	sed -i '/interval_ms/a record_s = 1' "$root/etc/pagefold/pagefoldd.conf"
	start_vms honest 2 1024 900 && start_vms mute 1 1024 700 || return 1
	echo tenant-a >"$(dir_of honest-0)/domain"
	start_daemon
	until_true above honest-0 balloon_bytes 100 && until_true sampled 4 || return 1
	stop_daemon
	"$ctl" report --record "$root/run/pagefold/record.jsonl" --output "$page" 2>"$root/said"
	expect [ ! -s "$root/said" ] || { cat "$root/said"; return 1; }
	# The host's memory, the rungs, and each VM; its lines have at least two points.
	expect [ "$(grep -c '<h2>[a-z]*-[0-9] <span' "$page")" = 3 ] &&
		expect drawn honest-0 && expect drawn honest-1 && expect drawn mute-0 && expect grep -q 'domain tenant-a' "$page" &&
		expect grep -q 'Linux .*recorded by pagefoldd' "$page" && expect grep -q '>target<' "$page" &&
		expect noted '"type":"host".*"state":"soft"' && expect half_is_older
}

# What was put aside because the record was full is in the same report.
half_is_older()
{
	local record=$root/run/pagefold/record.jsonl half

	half=$(($(wc -l <"$record") / 2))
	head -n $half "$record" >"$record.old"
	{ head -n 1 "$record" && tail -n +$((half + 1)) "$record"; } >"$record.new"
	mv "$record.new" "$record"
	"${daemon%d}ctl" report --record "$record" | cmp - "$root/run.html"
}

# In memory as it is, it must not grow for ever; what was put aside is the report's all the same.
a_full_record_is_put_aside()
{
	local record=$root/run/pagefold/record.jsonl

	mkdir "$root/run/pagefold"
	echo '{"type":"start","time_ms":1,"format":1,"program":"before"}' >"$record"
	yes '{"type":"event","time_ms":2,"event":"vm-add","pid":7,"name":"old","text":"long ago"}' |
		head -n 55000 >>"$record"
	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true noted '"name":"honest-0".*usage_bytes' && expect [ "$(wc -l <"$record.old")" -ge 55001 ] &&
		expect [ "$(grep -c '"name":"old"' "$record")" = 0 ] &&
		expect grep -q '"type":"start".*"program":"pagefoldd"' <(head -n 1 "$record") || return 1
	"${daemon%d}ctl" report --record "$record" >"$root/run.html" &&
		expect grep -q 'recorded by before' "$root/run.html" && expect grep -q 'long ago\|The last 200' "$root/run.html"
}

# What stands in the record's place may go away.
a_record_that_cannot_begin_begins_later()
{
	local record=$root/run/pagefold/record.jsonl

	with_metrics
	sed -i '/interval_ms/a record_s = 1' "$root/etc/pagefold/pagefoldd.conf"
	mkdir -p "$record"
	start_vms mute 1 1024 700 || return 1
	start_daemon
	until_true rounds 10 && expect [ "$(grep -c 'record.jsonl: ' "$root/log")" = 1 ] && rmdir "$record" &&
		until_true sampled 2 && expect grep -q '"type":"start"' <(head -n 1 "$record")
}

sampled()
{
	samples_of '"type":"vm".*"name":"mute-0"' "$1"
}

# drawn NAME: its part of the page is one chart, in which what it used has a moment for each sample.
drawn()
{
	awk -v head="<h2>$1 " '
		/^<h2>/ { on = index($0, head) }
		on && /<svg/ { charts++ }
		on && /fill-opacity=".25"/ { moments = gsub(/[ML]/, "") - 1 }
		END { exit !(charts == 1 && moments >= 4) }' "$root/run.html"
}

# One that was heard of and is not any more is not asked for what it may not have, and what it lacked it lacks.
silence_is_not_taken_for_ease()
{
	local asked

	with_metrics
	start_vms muffled 1 1024 900 && start_vms gasping 1 1024 900 && start_vms honest 1 1024 900 || return 1
	start_daemon
	start_vms swapper 1 1024 900 || return 1
	until_true metric 'pressed{.*name="gasping-0"} 1' && until_true metric 'pressed{.*name="swapper-0"} 1' &&
		until_true above honest-0 balloon_bytes 150 &&
		until_true metric 'statistics_fresh{.*name="muffled-0"} 0' &&
		until_true metric 'statistics_fresh{.*name="gasping-0"} 0' && until_true more_rounds 3 || return 1
	asked=$(get muffled-0 fake_asked)
	until_true more_rounds 20 && expect has muffled-0 fake_asked "$asked" &&
		expect below gasping-0 fake_asked 65 &&
		expect metric 'pressed{.*name="gasping-0"} 1' && expect metric 'pressed{.*name="muffled-0"} 0' &&
		expect metric 'statistics_fresh{.*name="honest-0"} 1'
}

# The monitor is the guest's own, and memory is divided by RAM: it cannot be more than what is mapped.
boasting_is_of_no_use()
{
	with_metrics
	start_vms boaster 1 1024 900 && start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true said 'boaster-0.*says 1TiB of RAM: want at most 1.5GiB' && until_true above honest-0 balloon_bytes 30 &&
		until_true below boaster-0 target_bytes 1024 && until_true below boaster-0 usage_bytes 890 || return 1
	expect [ "$(grep -c 'boaster-0.*says 1TiB' "$root/log")" = 1 ]
}

# Nor less than it uses: nobody would be held to anything who has almost nothing.
modesty_is_of_no_use()
{
	with_metrics
	start_vms modest 1 1024 900 && start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true said 'modest-0.*says 1MiB of RAM: want .*what it uses, 900MiB, at least' &&
		until_true above honest-0 balloon_bytes 30 && until_true below modest-0 target_bytes 1024 &&
		until_true below modest-0 usage_bytes 890 || return 1
	expect [ "$(grep -c 'modest-0.*says 1MiB' "$root/log")" = 1 ]
}

# Without a monitor the module's figure counts, which is that of a pass: it is not the first one for ever.
ram_without_a_monitor_is_looked_at_again()
{
	local dir

	with_metrics
	start_vms plain 1 1024 100 || return 1
	dir=$(dir_of plain-0)
	echo $((512 * MIB)) >"$dir/eligible_bytes"
	host 4096 3000
	start_daemon
	until_true metric "target_bytes{.*name=\"plain-0\"} $((512 * MIB))" || return 1
	echo $((1024 * MIB)) >"$dir/eligible_bytes"
	until_true metric "target_bytes{.*name=\"plain-0\"} $((1024 * MIB))" && expect has plain-0 target_bytes 0
}

# What the operator took out stays out, whatever the daemon is told; but a new daemon, or a new module, is.
unregister_sticks()
{
	local dir

	with_metrics
	start_vms idle 2 1024 900 || return 1
	start_daemon
	until_true metric 'usage_bytes{.*idle-0' || return 1
	dir=$(dir_of idle-0)
	mv "$dir" "$root/away"
	until_true no_metric 'usage_bytes{.*idle-0' || return 1
	kill -HUP "$pid"
	until_true said 'configuration read again' && until_true more_rounds 3 || return 1
	expect [ ! -s "$sys/register" ] || return 1
	stop_daemon
	start_daemon
	until_true enrolled "${dir##*/}"
}

enrolled()
{
	grep -q "^$1 " "$sys/register"
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
	# Its file alone is wrong: what it said before counts.
	echo 'min = much' | cat <(echo '[vm]') - >"$root/etc/pagefold/vm.d/honest-0.conf"
	kill -HUP "$pid"
	until_true said 'vm.d/honest-0.conf:2: min "much"' && until_true more_rounds 10 &&
		expect has honest-0 target_bytes 0 || return 1
	echo '[host' >"$root/etc/pagefold/pagefoldd.conf"
	kill -HUP "$pid"
	until_true said 'pagefoldd.conf:1: .*stays as it was' && until_true rounds 5 && expect gone_not "$pid"
}

# rename_vm DIRECTORY NAME: whose name that is is looked at once, when it comes.
rename_vm()
{
	mv "$1" "$root/renamed" && until_true no_metric "target_bytes{pid=\"${1##*/}\"" &&
		echo "$2" >"$root/renamed/name" && mv "$root/renamed" "$1"
}

held_to()
{
	[ "$(cat "$1/target_bytes")" = $(($2 * MIB)) ]
}

# A VM chooses its name: the file counts for none of two, but for the one of the user that it names.
a_name_is_one_vms()
{
	local one two file=$root/etc/pagefold/vm.d/web.conf

	with_metrics
	host 4096 3000
	start_vms honest 2 1024 900 || return 1
	one=$(dir_of honest-0) two=$(dir_of honest-1)
	printf '[vm]\nmax = 512MiB\n' >"$file"
	start_daemon
	until_true rounds 1 && rename_vm "$one" web && until_true held_to "$one" 512 && rename_vm "$two" web &&
		until_true held_to "$one" 0 && until_true more_rounds 3 && expect held_to "$two" 0 || return 1
	kill -HUP "$pid"
	until_true said 'configuration read again' && until_true more_rounds 3 && expect held_to "$one" 0 &&
		expect held_to "$two" 0 &&
		expect [ "$(grep -c 'vm.d/web.conf does not count: another VM bears that name' "$root/log")" = 2 ] || return 1
	rename_vm "$two" other && until_true held_to "$one" 512 || return 1
	sed -i 's/^Uid:.*/Uid:\t12345\t0\t0\t0/' "$root/proc/${two##*/}/status"
	printf 'user = %u\n' "$(id -u)" >>"$file"
	kill -HUP "$pid"
	until_true said_twice 'configuration read again' && rename_vm "$two" web &&
		until_true said "${two##*/}.*it is for user $(id -u), and this is a VM of user 12345" &&
		until_true more_rounds 3 && expect held_to "$one" 512 && expect held_to "$two" 0
}

# A proxy may listen on a socket that the operator named, but no other VM.
a_named_socket_is_no_other_vms()
{
	local other

	start_vms honest 2 1024 900 || return 1
	printf '[vm]\nqmp = %s\n' "$root/honest-1.sock" >"$root/etc/pagefold/vm.d/honest-0.conf"
	start_daemon
	until_true said 'honest-0.*honest-1.sock: process .* listens, which is another VM' &&
		until_true said 'honest-1.*monitor connected' || return 1
	other=$(dir_of honest-1)
	mv "$other" "$root/away" && until_true said 'honest-0.*monitor connected'
}

# When the operator names it no more it is one like others, even if the VM names the same.
a_socket_that_was_named_is_left()
{
	local file=$root/etc/pagefold/vm.d/honest-0.conf other

	start_vms honest 2 1024 900 || return 1
	other=$(dir_of honest-1)
	mkdir "$root/unregistered" && mv "$other" "$root/unregistered/" && mv "$root/honest-0.sock" "$root/away.sock" &&
		ln "$root/honest-1.sock" "$root/honest-0.sock" || return 1
	printf '[vm]\nqmp = %s\n' "$root/honest-0.sock" >"$file"
	start_daemon
	until_true said 'honest-0.*monitor connected' && rm "$file" && kill -HUP "$pid" &&
		until_true said 'honest-0.*process .* listens, want the VM'
}

# Nor is it kept for as long as a VM can have it last that its own is looked for.
a_socket_that_was_named_is_left_at_once()
{
	local file=$root/etc/pagefold/vm.d/honest-0.conf other

	with_metrics
	start_vms honest 2 1024 900 || return 1
	other=$(dir_of honest-1)
	mkdir "$root/unregistered" && mv "$other" "$root/unregistered/" || return 1
	printf '[vm]\nqmp = %s\n' "$root/honest-1.sock" >"$file"
	start_daemon
	until_true metric 'balloon_answers{.*name="honest-0"} 1' && hang honest-0 && rm "$file" && kill -HUP "$pid" &&
		until_true metric 'balloon_answers{.*name="honest-0"} 0'
}

# "balloon = no" must not strand what a balloon holds, whether it is said to this daemon or the next.
no_balloon_gives_it_back()
{
	start_vms honest 2 1024 900 || return 1
	start_daemon
	until_true above honest-0 fake_held 30 && until_true above honest-1 fake_held 30 || return 1
	printf '[vm]\nballoon = no\n' >"$root/etc/pagefold/vm.d/honest-0.conf"
	kill -HUP "$pid"
	until_true has honest-0 fake_held 0 && until_true said 'honest-0.*monitor is left' &&
		until_true has honest-0 balloon_bytes 0 && expect above honest-1 fake_held 30 || return 1
	stop_daemon KILL
	printf '[vm]\nballoon = no\n' >"$root/etc/pagefold/vm.d/honest-1.conf"
	start_daemon
	until_true has honest-1 fake_held 0 && until_true said 'honest-1.*monitor is left'
}

# Nor what it was asked for and did not get round to yet, by this daemon or the last.
no_balloon_takes_a_wish_back()
{
	start_vms stiff 2 1024 900 || return 1
	start_daemon
	until_true above stiff-0 fake_asked 30 && until_true above stiff-1 fake_asked 30 || return 1
	printf '[vm]\nballoon = no\n' >"$root/etc/pagefold/vm.d/stiff-0.conf"
	kill -HUP "$pid"
	until_true said 'stiff-0.*monitor is left' && expect has stiff-0 fake_asked 0 || return 1
	stop_daemon KILL
	printf '[vm]\nballoon = no\n' >"$root/etc/pagefold/vm.d/stiff-1.conf"
	start_daemon
	until_true said 'stiff-1.*monitor is left' && expect has stiff-1 fake_asked 0
}

a_new_socket_is_used()
{
	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true said 'honest-0.*monitor connected' || return 1
	ln "$root/honest-0.sock" "$root/other.sock"
	printf '[vm]\nqmp = %s\n' "$root/other.sock" >"$root/etc/pagefold/vm.d/honest-0.conf"
	kill -HUP "$pid"
	until_true said_twice 'honest-0.*monitor connected' && rm "$root/etc/pagefold/vm.d/honest-0.conf" || return 1
	# One that does not change is left alone.
	kill -HUP "$pid"
	kill -HUP "$pid"
	until_true said_thrice 'honest-0.*monitor connected' && with_metrics && kill -HUP "$pid" &&
		until_true more_rounds 5 && expect said_thrice 'honest-0.*monitor connected'
}

said_twice()
{
	[ "$(grep -c -e "$1" "$root/log")" = 2 ]
}

said_thrice()
{
	[ "$(grep -c -e "$1" "$root/log")" = 3 ]
}

# hears NUMBER WHAT: systemd was told so often, or more.
hears()
{
	[ -e "$root/heard" ] && [ "$(grep -c -x -e "$2" "$root/heard")" -ge "$1" ]
}

listen()
{
	"${fakes%vms}notify" "$root/notify" "$root/heard" &
	vms+=($!)
	disown
	until_true [ -S "$root/notify" ]
}

# As a service of type notify, with a watchdog that is fed by the loop that does the work.
systemd_hears_how_it_is()
{
	local dir pipe fed

	with_metrics
	start_vms honest 1 1024 900 && listen || return 1
	NOTIFY_SOCKET=$root/notify WATCHDOG_USEC=400000 start_daemon
	until_true hears 1 READY=1 && until_true hears 2 'STATUS=1 VMs, host soft' && until_true hears 3 WATCHDOG=1 &&
		expect [ "$(grep -c RELOADING "$root/heard")" = 0 ] || return 1
	kill -HUP "$pid"
	until_true hears 1 RELOADING=1 && until_true hears 2 READY=1 || return 1
	# A round that hangs, here at a file that does not end, feeds nobody.
	dir=$(dir_of honest-0)
	mkfifo "$dir/pipe" && exec {pipe}<>"$dir/pipe" && mv "$dir/pipe" "$dir/zero_pages" &&
		until_true hangs || return 1
	# Who listens has written the last one when it sleeps again: nobody sends any more.
	until_true asleep "${vms[-1]}" || return 1
	fed=$(grep -c WATCHDOG=1 "$root/heard")
	until_true passed $((${EPOCHREALTIME/.} + 1200000)) &&
		expect [ "$(grep -c WATCHDOG=1 "$root/heard")" = "$fed" ] || return 1
	echo 0 >"$dir/zero_pages.new" && mv "$dir/zero_pages.new" "$dir/zero_pages"
	echo 0 >&"$pipe"
	exec {pipe}>&-
	until_true hears $((fed + 2)) WATCHDOG=1 && stop_daemon && until_true hears 1 STOPPING=1
}

asleep()
{
	[[ $(<"/proc/$1/stat") == *') S '* ]]
}

hangs()
{
	# shellcheck disable=SC2010  # where links lead
	ls -l "/proc/$pid/fd" 2>/dev/null | grep -q zero_pages
}

# In a name space of its own, for the journal's socket has but one place.
the_journal_gets_fields()
{
	local notify=${fakes%vms}notify

	unshare -m true 2>/dev/null || { lacks 'a name space of its own'; return; }
	start_vms honest 1 1024 900 || return 1
	# shellcheck disable=SC2016  # for the inner shell
	JOURNAL_STREAM=1:1 unshare -m bash -c 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal || exit 1
		"$1" /run/systemd/journal/socket "$2" &
		while [ ! -S /run/systemd/journal/socket ]; do read -r -t 0.05 <> <(:); done
		exec "$3" --sysroot "$4"' bash "$notify" "$root/heard" "$daemon" "$root" >"$root/out" 2>>"$root/log" &
	pid=$!
	disown
	until_true hears 1 'MESSAGE=honest-0 ([0-9]*): balloon to [0-9]*MiB' && until_true hears 1 PAGEFOLD_RUNG=balloon &&
		expect hears 1 PAGEFOLD_VM=honest-0 && expect hears 1 'PAGEFOLD_PID=[0-9]*' &&
		expect hears 1 "PAGEFOLD_USAGE=$((900 * MIB))" && expect hears 1 'PAGEFOLD_TARGET=8[0-9]*' &&
		expect hears 1 PRIORITY=5 && expect hears 1 'MESSAGE=host soft: .*' && expect [ ! -s "$root/log" ]
}

# Nobody listens there, which is no reason not to work.
nobody_needs_to_hear()
{
	with_metrics
	start_vms honest 1 1024 900 || return 1
	NOTIFY_SOCKET=$root/nobody start_daemon
	until_true rounds 3 && stop_daemon
}

figures_are_whole()
{
	local i names

	with_metrics
	start_vms honest 4 512 400 || return 1
	start_daemon
	until_true rounds 1 && expect awk -f "$openmetrics" "$root/metrics.prom" || return 1
	mapfile -t names < <(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$root/metrics.prom")
	for i in "${names[@]}"; do
		expect grep -q -E "(^\.BR? |\" )$i( |$|\")" "$man/pagefoldd.8" || return 1
	done
	for ((i = 0; i < 300; i++)); do
		[ "$(tail -n 1 "$root/metrics.prom")" = '# EOF' ] || { echo '# cut off'; return 1; }
	done
	until_true rounds 3
}

# By the kernel's account, in ns.
cpu_ns()
{
	cat "/proc/$pid"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

# private WHICH: KiB that no other process has.
private()
{
	awk -v which="^Private_${1-}" '$1 ~ which { sum += $2 } END { print sum }' "/proc/$pid/smaps_rollup"
}

# In figures: what a hundred VMs cost. It is to be 2 MB and a hundredth of a CPU. What is clean is text of libraries,
# which on a host with systemd other daemons have too, so all of it together has a wider limit.
a_hundred_vms_cost_little()
{
	local before began

	with_metrics
	sed -i 's/interval_ms = 200/interval_ms = 2000/' "$root/etc/pagefold/pagefoldd.conf"
	start_vms honest 100 512 300 || return 1
	start_daemon
	until_true rounds 3 || return 1
	before=$(cpu_ns) began=${EPOCHREALTIME/.}
	until_true rounds 8 || return 1
	set -- $(($(cpu_ns) - before)) $(((${EPOCHREALTIME/.} - began) * 1000))
	echo "# $1 ns of CPU time in $2 for 5 rounds; KiB: $(private Dirty) private and written, $(private) with" \
		"what is only read, $(awk '/^Rss/ { print $2 }' "/proc/$pid/smaps_rollup") with what others have too"
	# Samples of so many are further apart than the 10 s that they could be.
	expect [ "$(samples_apart)" -ge 14000 ] || return 1
	expect [ $(($1 * 100)) -lt "$2" ] && expect [ "$(private Dirty)" -lt 1400 ] && expect [ "$(private)" -lt 2600 ]
}

# In ms, the least that is between two samples; a lot when there is only one.
samples_apart()
{
	sed -n 's/^{"type":"host","time_ms":\([0-9]*\),.*/\1/p' "$root/run/pagefold/record.jsonl" | awk '
		BEGIN { least = 1e9 }
		NR > 1 && $1 - last < least { least = $1 - last }
		{ last = $1 }
		END { printf "%d\n", NR ? least : 0 }'
}

# What takes long begins first, so that nobody waits for it alone.
tests=(a_hundred_vms_cost_little killed_at_any_moment liars_are_tried_later dry_run_changes_nothing
	dry_run_names_who_is_missing what_is_not_known_yet_is_said
	a_short_host_takes_from_guests memory_comes_back memory_comes_back_after_a_restart
	limits_outlive_the_daemon liars_are_remembered rungs_add_up_to_what_was_freed idle_is_not_unknown
	what_is_free_is_taken_first hand_set_is_kept hand_set_meanwhile_is_kept hostile_peers_block_nobody
	a_path_that_hangs_holds_up_nobody a_path_that_hangs_keeps_from_no_other a_vm_that_hangs_holds_up_nobody who_took_the_id_is_not_registered
	who_hangs_keeps_others_from_nothing foreign_socket_is_refused a_second_monitor_is_tried
	sockets_are_checked a_liar_is_untrusted
	a_liar_is_told_of_once no_balloon_is_stuck paging_brings_it_to_its_target paging_for_nothing_is_left
	all_are_paged_in_turn a_pause_ends_with_the_emergency a_pause_ends_after_a_restart
	a_pause_ends_after_the_monitor_was_lost a_pause_ends_after_the_module_was_gone
	balloons_stay_when_the_module_goes a_module_that_goes_takes_nobody_out who_is_taken_out_gets_all_back
	who_is_taken_out_gets_back_what_was_taken_before who_was_taken_out_begins_anew
	a_pause_ends_without_a_balloon who_stands_already_stands the_emergency_strikes_one_at_a_time
	the_emergency_ends_one_at_a_time the_emergency_needs_no_other_rung who_survives_the_end_is_seen_again
	many_guests_take_many_files unread_is_not_gone there_is_but_one vms_come_and_go
	bad_configuration_is_refused a_run_can_be_reported a_full_record_is_put_aside
	a_record_that_cannot_begin_begins_later silence_is_not_taken_for_ease boasting_is_of_no_use
	modesty_is_of_no_use ram_without_a_monitor_is_looked_at_again unregister_sticks reload_keeps_what_was
	no_balloon_gives_it_back no_balloon_takes_a_wish_back a_new_socket_is_used
	a_name_is_one_vms a_named_socket_is_no_other_vms a_socket_that_was_named_is_left
	a_socket_that_was_named_is_left_at_once systemd_hears_how_it_is
	the_journal_gets_fields nobody_needs_to_hear figures_are_whole unwritten_figures_are_told_once)
[ $# -le 2 ] || tests=("${@:3}")
run_tests_apart "${JOBS:-6}" "${tests[@]}"
