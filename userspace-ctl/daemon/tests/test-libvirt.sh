#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd with guests of a real libvirtd: a session of its own, with real guests under TCG.
#
# usage: test-libvirt.sh PAGEFOLDD PAGEFOLDD-WITH-ASAN FAKE-VMS [TEST…]
# Only sysfs is made up. As root, libvirtd runs as nobody, because root has no session. Ends with 4 where
# libvirt is missing.
set -u
plain=${1:?usage: test-libvirt.sh PAGEFOLDD PAGEFOLDD-WITH-ASAN FAKE-VMS [TEST…]}
asan=${2:?usage: test-libvirt.sh PAGEFOLDD PAGEFOLDD-WITH-ASAN FAKE-VMS [TEST…]}
fakes=${3:?usage: test-libvirt.sh PAGEFOLDD PAGEFOLDD-WITH-ASAN FAKE-VMS [TEST…]}
daemon=$asan
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
K=6.12 # of the guests, whatever kernel is tested beside
RAM=192 LEAST=120 # MiB: of a guest, and what it is left with
# Guests boot under TCG, and a libvirtd that was away is tried again after up to a minute.
: "${LIMIT:=400}"

skip()
{
	printf 'KTAP version 1\n1..0 # SKIP %s\n' "$*"
	exit 4
}

[ -x /usr/sbin/libvirtd ] && command -v virsh >/dev/null || skip 'libvirtd or virsh is not installed'
grep -q 'libvirt\.so' "$plain" || skip 'pagefoldd was built without libvirt-dev'
command -v qemu-system-x86_64 >/dev/null || skip 'qemu-system-x86_64 is not installed'
DRIVER=stock "$top/selftests/balloon/build" "$K" || { echo 'Bail out! no guest to start'; exit 1; }
. "$here/lib.sh"
virt=$(mktemp -d) || exit 1
uri="qemu:///session?socket=$virt/run/libvirt/libvirt-sock"
as=(env -i PATH="$PATH" HOME="$virt/home" XDG_RUNTIME_DIR="$virt/run" XDG_CONFIG_HOME="$virt/conf"
	XDG_CACHE_HOME="$virt/cache" XDG_DATA_HOME="$virt/home")
[ "$(id -u)" != 0 ] || as=(setpriv --reuid nobody --regid nogroup --clear-groups "${as[@]}")
libvirtd=

end_libvirt()
{
	local file

	[ -z "$libvirtd" ] || kill -KILL "$libvirtd"
	for file in "$virt"/run/libvirt/qemu/run/pf-*.pid; do
		[ ! -e "$file" ] || kill -KILL "$(<"$file")"
	done 2>/dev/null
	rm -rf "$virt"
}
trap 'end_all; end_libvirt; rm -rf "$root"' EXIT
trap 'exit 130' INT TERM HUP

start_libvirtd()
{
	"${as[@]}" /usr/sbin/libvirtd >>"$virt/log" 2>&1 &
	libvirtd=$!
	disown
	until_true ask version >/dev/null
}

ask()
{
	LIBVIRT_AUTOSTART=0 virsh -q -c "$uri" "$@" 2>>"$virt/log"
}

prepare()
{
	local file

	chmod 755 "$virt"
	mkdir -p "$virt"/{run,home,conf/libvirt,cache}
	# Without a virtlogd, which would outlive us.
	echo 'stdio_handler = "file"' >"$virt/conf/libvirt/qemu.conf"
	[ "$(id -u)" != 0 ] || chown -R nobody:nogroup "$virt"
	# A link has the owner of what it links to, which is not ours to change.
	for file in kernels/"$K"/vmlinux balloon/"$K"/initrd; do
		ln -L "$top/build/$file" "$virt/" 2>/dev/null || cp -L "$top/build/$file" "$virt/" || return
	done
}

# A guest that loads its balloon driver and sleeps.
# shellcheck disable=SC2016  # for the guest to expand
describe()
{
	cat <<-END
	<domain type='qemu'>
	<name>$1</name><memory unit='MiB'>$RAM</memory>
	<os><type arch='x86_64' machine='pc'>hvm</type>
	<kernel>$virt/vmlinux</kernel><initrd>$virt/initrd</initrd>
	<cmdline>console=ttyS0 loglevel=4 mitigations=off no_timer_check tsc=reliable panic=-1
	random.trust_cpu=on rdinit=/bin/sh -- -c
	"for m in \$(cat /m/list) virtio_balloon; do insmod /m/\$m.ko; done; echo is up; exec sleep inf"</cmdline></os>
	<cpu mode='custom' match='exact'><model fallback='allow'>qemu64</model></cpu>
	<devices><emulator>$(command -v qemu-system-x86_64)</emulator>
	<serial type='file'><source path='$virt/$1.console'/></serial>
	<memballoon model='virtio' freePageReporting='on'/></devices></domain>
	END
}

start_domain()
{
	describe "$1" >"$virt/$1.xml"
	ask define "$virt/$1.xml" && ask start "$1"
}

is_up()
{
	grep -q -a 'is up' "$virt/$1.console"
}

pid_of()
{
	cat "$virt/run/libvirt/qemu/run/$1.pid"
}

# adopt NAME [PID]: NAME's process is a VM of the made-up module's; or process PID that says it were.
adopt()
{
	local process=${2:-$(pid_of "$1")} dir file

	mkdir -p "$root/proc/$process" "$root${virt%/*}" "$root$virt"
	ln -sfn "$virt/run" "$root$virt/run"
	cp "/proc/$(pid_of "$1")/cmdline" "$root/proc/$process/"
	cp "/proc/$process"/{stat,status} "$root/proc/$process/"
	dir=$sys/vms/new-$process
	mkdir "$dir"
	for file in folded_pages zero_pages balloon_bytes achieved_bytes target_bytes wss_bytes; do
		echo 0 >"$dir/$file"
	done
	echo none >"$dir/state"
	echo $((RAM * MIB)) | tee "$dir/eligible_bytes" >"$dir/usage_bytes"
	echo "${2:+thief-}$1" >"$dir/name"
	mv "$dir" "$sys/vms/$process"
}

# What the guest has by libvirt's word, KiB.
actual()
{
	ask dommemstat "$1" | sed -n 's/^actual //p'
}

actual_is()
{
	[ "$(actual "$1")" = $(($2 * 1024)) ]
}

# The module would see that what the balloon took is gone.
is_squeezed()
{
	local dir kib

	dir=$(dir_of "$1") && kib=$(actual "$1") && [ -n "$kib" ] || return
	echo $((kib * 1024)) >"$dir/usage_bytes.new"
	mv "$dir/usage_bytes.new" "$dir/usage_bytes"
	# A file may be read while it is written.
	[ "$kib" -le $(((LEAST + 8) * 1024)) ] && above "$1" balloon_bytes $((RAM - LEAST - 9)) 2>/dev/null
}

is_whole()
{
	has "$1" balloon_bytes 0 && actual_is "$1" $RAM
}

state_is()
{
	[ "$(ask domstate "$1")" = "$2" ]
}

answers()
{
	metric "balloon_answers{.*name=\"$1\"} 1"
}

mute()
{
	metric "balloon_answers{.*name=\"$1\"} 0"
}

# pagefoldd.conf, and on top what stands in the arguments, a line each, of [vm].
with_libvirt()
{
	conf '[host]' 'interval_ms = 200' 'metrics = /metrics.prom' "libvirt_uri = $uri" '[ladder]' \
		'share_s = 0' 'report_s = 0' 'deadline_s = 2' 'emergency_s = 1' \
		'[policy]' 'step_percent = 50' 'spike_percent = 100' '[vm]' "min = ${LEAST}MiB" "$@"
}

# End the daemon; ASan speaks then, if not before.
stop_clean()
{
	stop_daemon && expect said_not 'Sanitizer' && expect said_not '^libvirt'
}

# Not those of a daemon that has gone.
rounds_go_on()
{
	rm -f "$root/metrics.prom"
	until_true more_rounds 10
}

# One that hangs before a driver is loaded is the emulator's fault, as in balloon/guest.lib.sh: it is started anew.
comes_up()
{
	LIMIT=$((LIMIT / 3)) until_true is_up "$1" && return
	ask destroy "$1" && rm -f "$virt/$1.console" && ask start "$1" && until_true is_up "$1"
}

guests_are_there()
{
	prepare && start_libvirtd && start_domain pf-a && start_domain pf-b && comes_up pf-a && comes_up pf-b && return
	tail -n 5 "$virt/log" "$virt"/*.console | sed 's/^/# /'
	# Nothing will come of the others.
	LIMIT=1
	return 1
}

balloon_goes_and_comes()
{
	with_libvirt
	adopt pf-a
	start_daemon
	until_true is_squeezed pf-a && expect said 'pf-a.*found, with a monitor that is libvirt' &&
		expect said 'pf-a.*monitor connected, balloon with free page reporting' || return 1
	host 4096 3000
	until_true is_whole pf-a && stop_clean
}

# Nobody is asked, so neither the library nor a libvirtd is needed to tell what would be done.
dry_run_asks_nobody()
{
	with_libvirt
	sed -i 's,^libvirt_uri.*,libvirt_uri = qemu:///session?socket=/nonexistent/sock,' \
		"$root/etc/pagefold/pagefoldd.conf"
	adopt pf-a
	"$daemon" --sysroot "$root" --dry-run --once >"$root/out" 2>"$root/log" || return 1
	expect grep -q "pf-a.*uses ${RAM}MiB.*target 1[0-8][0-9]MiB: " "$root/out" && expect said_not 'pf-a.*libvirt: ' &&
		expect said_not 'no libvirt' && expect actual_is pf-a $RAM && expect has pf-a target_bytes 0
}

memory_comes_back_after_a_restart()
{
	with_libvirt
	adopt pf-a
	start_daemon
	until_true is_squeezed pf-a || return 1
	stop_daemon KILL
	host 4096 3000
	start_daemon
	until_true is_whole pf-a && until_true has pf-a target_bytes 0 && stop_clean
}

no_balloon_gives_it_back()
{
	with_libvirt
	adopt pf-a
	start_daemon
	until_true is_squeezed pf-a || return 1
	printf '[vm]\nballoon = no\n' >"$root/etc/pagefold/vm.d/pf-a.conf"
	kill -HUP "$pid"
	until_true is_whole pf-a && until_true said 'pf-a.*monitor is left' && until_true mute pf-a || return 1
	rm "$root/etc/pagefold/vm.d/pf-a.conf"
	kill -HUP "$pid"
	until_true is_squeezed pf-a && host 4096 3000 && until_true is_whole pf-a && stop_clean
}

hand_set_is_kept()
{
	with_libvirt
	host 4096 3000
	adopt pf-a
	start_daemon
	until_true answers pf-a || return 1
	echo $((LEAST * MIB)) >"$(dir_of pf-a)/target_bytes"
	until_true is_squeezed pf-a && until_true said 'pf-a.*target 120MiB: set by hand' &&
		expect has pf-a target_bytes $((LEAST * MIB)) || return 1
	echo 0 >"$(dir_of pf-a)/target_bytes"
	until_true is_whole pf-a && stop_clean
}

# Hosts without libvirt do not pay for it.
library_is_loaded_when_needed()
{
	daemon=$plain
	with_libvirt
	host 4096 3000
	start_vms honest 1 1024 900 || return 1
	start_daemon
	daemon=$asan
	until_true answers honest-0 && expect [ "$(grep -c libvirt "/proc/$pid/maps")" = 0 ] || return 1
	adopt pf-a
	until_true answers pf-a && expect grep -q libvirt "/proc/$pid/maps" && stop_clean
}

emergency_stops_it_for_a_while()
{
	with_libvirt 'emergency = pause'
	adopt pf-a
	host 4096 20
	start_daemon
	until_true state_is pf-a paused || return 1
	host 4096 3000
	until_true state_is pf-a running && until_true is_whole pf-a && stop_clean
}

# Neither the daemon's end nor libvirtd's leaves a guest stopped for ever.
a_pause_ends_after_a_restart_of_both()
{
	with_libvirt 'emergency = pause'
	adopt pf-a
	host 4096 20
	start_daemon
	until_true state_is pf-a paused && until_true on_record 1 || return 1
	stop_daemon KILL
	kill -KILL "$libvirtd"
	host 4096 3000
	start_daemon
	rounds_go_on && until_true said 'pf-a.*monitor: libvirt: ' && expect on_record 1 || return 1
	start_libvirtd
	until_true state_is pf-a running && until_true on_record 0 && stop_clean
}

# on_record PAUSED: of the only guest.
on_record()
{
	awk -v want="$1" '$1 != "host" { is = $5 } END { exit is != want }' "$root/run/pagefold/targets"
}

# Somebody else let it go on meanwhile, which is no mistake.
a_pause_that_ended_is_over()
{
	with_libvirt 'emergency = pause'
	adopt pf-a
	host 4096 20
	start_daemon
	until_true state_is pf-a paused && ask resume pf-a || return 1
	host 4096 3000
	until_true said 'pf-a.*it goes on' && until_true on_record 0 && expect state_is pf-a running &&
		expect said_not 'libvirt: cannot' && stop_clean
}

address_is_read_again()
{
	with_libvirt
	sed -i 's,^libvirt_uri.*,libvirt_uri = qemu:///session?socket=/nonexistent/sock,' \
		"$root/etc/pagefold/pagefoldd.conf"
	adopt pf-a
	start_daemon
	until_true said 'pf-a.*monitor: libvirt: cannot connect: .*/nonexistent/sock' || return 1
	with_libvirt
	kill -HUP "$pid"
	until_true is_squeezed pf-a || return 1
	host 4096 3000
	until_true is_whole pf-a
}

# A process that a guest took over says what it wants of itself.
another_domain_is_not_taken()
{
	with_libvirt
	adopt pf-a $$
	start_daemon
	until_true said "thief-pf-a.*domain pf-a is process $(pid_of pf-a), not $$" &&
		until_true mute thief-pf-a && rounds_go_on && expect actual_is pf-a $RAM &&
		expect has thief-pf-a target_bytes 0
}

hung_libvirtd_holds_up_nobody()
{
	with_libvirt
	host 4096 3000
	adopt pf-a
	start_vms honest 1 1024 900 || return 1
	start_daemon
	until_true answers pf-a && until_true answers honest-0 || return 1
	kill -STOP "$libvirtd"
	host 4096 100
	until_true above honest-0 balloon_bytes 100 && until_true said 'pf-a.*monitor: libvirt: no answer' &&
		until_true mute pf-a && rounds_go_on && stop_clean &&
		start_daemon && rounds_go_on && until_true said 'pf-a.*monitor: libvirt: silent' && stop_clean &&
		start_daemon && rounds_go_on
	set -- $?
	kill -CONT "$libvirtd"
	[ "$1" = 0 ] && until_true is_squeezed pf-a || return 1
	host 4096 3000
	until_true is_whole pf-a && stop_clean
}

# It takes leave, as when it is updated, or dies: the connection is closed by it or for it.
restarted_libvirtd_is_found()
{
	local signal

	with_libvirt
	host 4096 3000
	adopt pf-a
	start_daemon
	for signal in TERM KILL; do
		: >"$root/log"
		until_true answers pf-a && kill -$signal "$libvirtd" || return 1
		until_true mute pf-a && until_true said 'pf-a.*monitor: libvirt: ' && rounds_go_on &&
			until_true gone "$libvirtd" || return 1
		start_libvirtd
		host 4096 100
		until_true is_squeezed pf-a || return 1
		host 4096 3000
		until_true is_whole pf-a || return 1
	done
	stop_clean
}

# libvirt waits for an answer of QEMU for ever.
hung_guest_holds_up_no_other()
{
	local hung

	with_libvirt
	host 4096 3000
	adopt pf-a
	adopt pf-b
	start_daemon
	until_true answers pf-a && until_true answers pf-b || return 1
	hung=$(pid_of pf-a)
	kill -STOP "$hung"
	until_true said 'pf-a.*monitor: libvirt: no answer' && host 4096 100 && until_true is_squeezed pf-b &&
		expect mute pf-a
	set -- $?
	kill -CONT "$hung"
	[ "$1" = 0 ] && until_true is_squeezed pf-a || return 1
	host 4096 3000
	until_true is_whole pf-a && until_true is_whole pf-b && stop_clean
}

emergency_ends_it()
{
	with_libvirt 'emergency = quit'
	adopt pf-b
	host 4096 20
	start_daemon
	until_true state_is pf-b 'shut off' && expect said 'pf-b.*emergency: ending it' &&
		expect state_is pf-a running && stop_clean
}

tests=(balloon_goes_and_comes dry_run_asks_nobody memory_comes_back_after_a_restart no_balloon_gives_it_back
	hand_set_is_kept library_is_loaded_when_needed emergency_stops_it_for_a_while
	a_pause_ends_after_a_restart_of_both a_pause_that_ended_is_over
	address_is_read_again another_domain_is_not_taken hung_libvirtd_holds_up_nobody restarted_libvirtd_is_found
	hung_guest_holds_up_no_other emergency_ends_it)
[ $# -le 3 ] || tests=("${@:4}")
run_tests guests_are_there "${tests[@]}"
