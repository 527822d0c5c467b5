# SPDX-License-Identifier: GPL-2.0-only
# A plain guest with a balloon, seen from outside: QMP, the agent inside, and what the host really holds.
#
# QEMU is believed in nothing that smaps can answer. Two guests may live at a time (migration): `use NAME`
# says which one the functions speak of. DRIVER is ours or stock; the same tests run with both.
# It serves on this machine and inside the virtual host, where QEMU, ACCEL, CPU and BOOT_* say otherwise.
# shellcheck shell=bash

: "${KERNEL:=6.12}" "${DRIVER:=ours}" "${ANSWER_LIMIT:=120}" "${BOOT_LIMIT:=180}" "${QEMU_ARGS:=}"
: "${BOOT_AGAIN:=2}" "${BOOT_SILENCE:=45}"
# Without ERMS: a kernel that sees it clears and copies by "rep movsb", which TCG does a byte at a time.
: "${CPU:=max,la57=off,erms=off,fsrm=off}"
: "${MACHINE:=pc,mem-merge=off}" "${TROUBLE:=$PF_TOP/scripts/vm/trouble}"
declare -A Pid QmpIn QmpOut AskIn AskOut Ram
Guest='' said='' serial=0 reply='' answer='' events='' value='' last='' stable=0 free='' total='' how='' wrong=''
# MiB of a guest that its kernel may keep for itself meanwhile
SLACK=8
ours=$([ "$DRIVER" = ours ] && echo 1)
[ -e /proc/self/smaps_rollup ] || { echo 'Bail out! no smaps_rollup'; exit 1; }
WORK=$(mktemp -d "$PF_BUILD/run/balloon.XXXXXX") || exit 1
LOGS=${BALLOON_LOGS:-$PF_LOG/balloon/$(date -u +%Y%m%d-%H%M%S)-$$}
mkdir -p "$LOGS"

# The processes that this shell started and nothing else.
end_guests()
{
	local name

	for name in "${!Pid[@]}"; do
		kill -KILL "${Pid[$name]}" 2>/dev/null
		wait "${Pid[$name]}" 2>/dev/null
	done
	rm -rf "$WORK"
}
trap end_guests EXIT
trap 'exit 130' INT TERM HUP

use()
{
	Guest=$1
}

alive()
{
	[ -e "/proc/${Pid[$Guest]}/exe" ]
}

# For until_true: who is gone does nothing any more.
in_vain()
{
	! alive
}

# boot NAME MIB CPUS WORDS [QEMU ARGUMENTS…]: returns when the agent has spoken. Until then nothing of ours
# is loaded, so a guest that hangs here is the emulator's fault: it is told, and the guest started anew.
boot()
{
	local again=0

	until start "$@" && await 0; do
		[ $((++again)) -le $BOOT_AGAIN ] || return 1
		note "guest $1 hangs before a driver is loaded, its console is kept: starting it anew"
		mv "$(console_of "$1")" "$(console_of "$1").unbooted-$again"
		stop "$1"
	done
}

console_of()
{
	echo "$LOGS/$KERNEL-$DRIVER-${0##*/}-$1.console"
}

# The same without waiting, for one that will be migrated to.
start()
{
	local name=$1 mib=$2 cpus=$3 dir=$WORK/$1 p
	local image=${BOOT_KERNEL:-$PF_BUILD/kernels/$KERNEL/vmlinux}
	local initrd=${BOOT_INITRD:-$PF_BUILD/balloon/$KERNEL/initrd}
	local words="console=ttyS0 panic=-1 oops=panic loglevel=7 mitigations=off no_timer_check tsc=reliable"
	words+=" rcupdate.rcu_cpu_stall_timeout=120 random.trust_cpu=on unknown_nmi_panic=1"
	# All tasks, and all CPUs: what a guest hangs in that is sent an NMI.
	words+=" panic_print=0x41 $4"
	shift 4
	mkdir -p "$dir"
	mkfifo "$dir"/{qmp,ctl}.{in,out}
	"${QEMU:=$("$PF_TOP/scripts/vm/qemu")}" -name "$name" -nodefaults -no-user-config -no-reboot \
		-display none -machine "$MACHINE" -accel "${ACCEL:-tcg,thread=multi,tb-size=128}" \
		-cpu "$CPU" -m "${mib}M" -smp "$cpus" \
		-kernel "$image" -initrd "$initrd" -append "$words" \
		-chardev "file,id=console,path=$(console_of "$name")" -serial chardev:console \
		-chardev "pipe,id=qmp,path=$dir/qmp" -mon chardev=qmp,mode=control \
		-chardev "pipe,id=ctl,path=$dir/ctl" -device virtio-serial-pci -device virtserialport,chardev=ctl \
		-object iothread,id=iothread0 $QEMU_ARGS "$@" >"$dir/qemu.log" 2>&1 </dev/null &
	Pid[$name]=$!
	Ram[$name]=$((mib * 1024))
	exec {p}<>"$dir/qmp.in" && QmpIn[$name]=$p
	exec {p}<>"$dir/qmp.out" && QmpOut[$name]=$p
	exec {p}<>"$dir/ctl.in" && AskIn[$name]=$p
	exec {p}<>"$dir/ctl.out" && AskOut[$name]=$p
	use "$name"
	qmp qmp_capabilities || { note "QEMU does not start: $(head -c 500 "$dir/qemu.log")"; return 1; }
}

# End guest NAME as pulling the plug does.
stop()
{
	kill -KILL "${Pid[$1]}" 2>/dev/null
	wait "${Pid[$1]}" 2>/dev/null
	unset "Pid[$1]"
	rm -rf "${WORK:?}/$1"
}

# Kernels complain on the console; so does the agent.
console_clean()
{
	local rows

	rows=$(grep -a -h -n -E -m 3 -f "$TROUBLE" -e 'agent: failed' \
		"$LOGS/$KERNEL-$DRIVER-${0##*/}"-*.console)
	[ -z "$rows" ] && return
	note "${rows//$'\n'/; }"
	return 1
}

# qmp COMMAND [ARGUMENTS]: into $reply; false when QEMU answers with an error.
qmp()
{
	local id=$((++serial)) line args=${2-}

	printf '{"execute":"%s","arguments":%s,"id":%d}\n' "$1" "${args:-"{}"}" "$id" >&"${QmpIn[$Guest]}"
	while alive && read -r -t "$ANSWER_LIMIT" -u "${QmpOut[$Guest]}" line; do
		case $line in
		*"\"id\": $id"[,\}]*)	reply=$line
					[[ $line != *'"error": '* ]]
					return ;;
		*'"event": '*)		events=$line ;;
		esac
	done
	reply=''
	note "QEMU is silent on $1: $(tail -c 300 "$WORK/$Guest/qemu.log" 2>/dev/null)"
	return 1
}

# Wait for the answer to request $1, into $answer. One interrupt that gets lost on a busy machine must not
# look like a dead guest, so a request is said again; the agent does it once and says its answer twice. A guest
# that has moved may begin in the middle of an answer, whose end could be taken for another: each begins with '@'.
await()
{
	local line part='' limit=$ANSWER_LIMIT end again=$((SECONDS + 10)) size=0 heard=$SECONDS

	[ "$1" != 0 ] || limit=$BOOT_LIMIT
	end=$((SECONDS + limit)) answer=''
	while alive && [ $SECONDS -lt $end ]; do
		# A second may end in the middle of a line, and at a blank too.
		if ! IFS= read -r -t 1 -u "${AskOut[$Guest]}" line; then
			part+=$line
			[ "$1" != 0 ] || still_booting || break
			[ "$1" != 0 ] && [ $SECONDS -ge $again ] || continue
			note "asking again: $said"
			echo "$said" >&"${AskIn[$Guest]}"
			again=$((SECONDS + 10))
			continue
		fi
		line=$part$line part=''
		[[ $line =~ ^@"$1"\ (ok|error)(\ (.*))?$ ]] || continue
		answer=${BASH_REMATCH[3]}
		[ "${BASH_REMATCH[1]}" = ok ]
		return
	done
	alive || note "QEMU is gone: $(tail -c 300 "$WORK/$Guest/qemu.log" 2>/dev/null)"
	note "no answer of the agent to '${said:-boot}'"
	# Where it hangs is the last that its console says.
	qmp inject-nmi
	return 2
}

# A kernel that boots says something every few seconds, even where the machine is busy. For await alone.
still_booting()
{
	local now

	now=$(stat -c %s "$(console_of "$Guest")" 2>/dev/null)
	[ "$now" = "$size" ] || { size=$now heard=$SECONDS; }
	[ $((SECONDS - heard)) -lt $BOOT_SILENCE ]
}

send()
{
	local words="$*"

	said="$((++serial)) ${words//$'\n'/ }"
	echo "$said" >&"${AskIn[$Guest]}"
}

# ask WORDS…: into $answer; false when the agent says error.
ask()
{
	send "$@"
	await "$serial"
}

must()
{
	"$@" && return
	note "failed: $* ($answer$reply)"
	return 1
}

# What the host holds of the guest's RAM, KiB: into $rss, and as huge pages into $thp.
resident()
{
	read -r rss thp < <(awk -v size="${Ram[$Guest]}" '
		/^[0-9a-f]+-[0-9a-f]+ / { ram = 0 }
		/^Size:/ { ram = $2 == size }
		ram && /^Rss:/ { rss += $2 }
		ram && /^AnonHugePages:/ { thp += $2 }
		END { print rss + 0, thp + 0 }' "/proc/${Pid[$Guest]}/smaps")
}

# Of the whole process, as the kernel sums it up; KiB.
resident_all()
{
	awk '/^Rss:/ { print $2 }' "/proc/${Pid[$Guest]}/smaps_rollup"
}

# The agent's workload: $how it ended, and what it found $wrong.
working()
{
	ask working && how=${answer%% *} && wrong=${answer##*wrong=}
}

work_ended()
{
	working && [ "$how" != running ]
}

# Number $1 of meminfo or vmstat file $2, into $value.
number_of()
{
	ask get "$2" && [[ $'\t'$answer =~ $'\t'$1:?\ +([0-9]+) ]] && value=${BASH_REMATCH[1]}
}

# plug [OPTIONS]: a balloon with those, and the driver for it.
plug()
{
	qmp device_add "{\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\",\"bus\":\"pci.0\"$(options "$@")}" ||
		{ note "no balloon: $reply"; return 1; }
}

options()
{
	local o

	for o; do
		case ${o#*=} in
		on)	printf ',"%s":true' "${o%%=*}" ;;
		off)	printf ',"%s":false' "${o%%=*}" ;;
		[0-9]*)	printf ',"%s":%s' "${o%%=*}" "${o#*=}" ;;
		*)	printf ',"%s":"%s"' "${o%%=*}" "${o#*=}" ;;
		esac
	done
}

unplug()
{
	qmp device_del '{"id":"balloon0"}' && until_true unplugged
}

unplugged()
{
	! qmp query-balloon
}

driver_module()
{
	[ "$DRIVER" = ours ] && echo pagefold_balloon || echo virtio_balloon
}

# load_with PARAMETERS, load: the driver under test, and wait until it has its device, whose directory is
# $device.
load_with()
{
	must ask insmod "$(driver_module)" "$*" && until_true bound
}

load()
{
	load_with ''
}

unload()
{
	must ask rmmod "$(driver_module)"
}

# The device that has a driver. A device is its driver's before that has probed it: ours shows files when it has.
# shellcheck disable=SC2016  # for the guest to expand
bound()
{
	ask sh 'for d in /sys/bus/virtio/devices/*; do
		[ "$(cat $d/device)" = 0x0005 ] && case $(readlink $d/driver) in
		*/pagefold_balloon) [ -e $d/mode ] && [ -e $d/counters ] ;;
		*) [ -e $d/driver ] ;; esac && echo $d; done' && [ -n "$answer" ] &&
		device=${answer%%$'\t'*}
}

# Attribute $1 of our driver, into $value.
attribute()
{
	ask get "$device/$1" && value=$answer
}

attribute_is()
{
	attribute "$1" && [ "$value" = "$2" ]
}

# target MIB: what the guest is to have left.
target()
{
	qmp balloon "{\"value\":$(($1 * 1048576))}"
}

# What the device says the guest has, MiB, into $value.
actual()
{
	qmp query-balloon && [[ $reply =~ \"actual\":\ ([0-9]+) ]] && value=$((BASH_REMATCH[1] / 1048576))
}

actual_is()
{
	actual && [ "$value" = "$1" ]
}

actual_at_most()
{
	actual && [ "$value" -le "$1" ]
}

# Go to $1 MiB and see that the host holds no more than that. What the in-tree driver does to it is told alone.
go_to()
{
	target "$1" && until_true actual_is "$1" || { note "actual is $value, not $1"; return 1; }
	resident
	[ $((rss / 1024)) -le $(($1 + SLACK)) ] && return
	note "at $1 MiB the host holds $((rss / 1024)) MiB"
	[ "$DRIVER" != ours ]
}

# Is what the host holds at most, at least so many MiB?
resident_at_most()
{
	resident
	[ $((rss / 1024)) -le "$1" ]
}

resident_at_least()
{
	resident
	[ $((rss / 1024)) -ge "$1" ]
}

# Free memory, MiB, into $value; that on the lists of each CPU too, which MemFree leaves out.
free_mib()
{
	local pages=0 rest

	ask set /proc/sys/vm/drop_caches 3 && ask get /proc/zoneinfo || return 1
	rest=$answer
	while [[ $rest =~ [[:space:]]count:\ +([0-9]+)(.*) ]]; do
		pages=$((pages + BASH_REMATCH[1]))
		rest=${BASH_REMATCH[2]}
	done
	number_of MemFree /proc/meminfo && value=$(((value + 4 * pages) / 1024))
}

# The guest's books, into $free and $total, for whole to compare with.
keep_books()
{
	free_mib && free=$value && number_of MemTotal /proc/meminfo && total=$value
}

free_again()
{
	free_mib && [ "$value" -ge $((free - SLACK)) ]
}

# All that the balloon took came back: no page of it is left, free memory is as it was when the books were kept,
# where the kernel itself may use a little more, and MemTotal exactly.
whole()
{
	until_true free_again || { note "free: $value MiB, was $free"; return 1; }
	number_of MemTotal /proc/meminfo && expect [ "$value" = "$total" ] && offline_is 0
}

# So many pages are ballooned, each of them counted by its flag KPF_OFFLINE, which nothing else has here.
offline_is()
{
	must ask flagged 23 && expect [ "$answer" = "$1" ]
}

# Our driver has given up for now: the target cannot be reached.
stopped()
{
	attribute stop_reason && [[ ! $value =~ ^(none|reached|)$ ]] && note "stopped by: $value"
}

# settled COMMAND…: the $value that COMMAND finds has been the same for ten looks; it is in $last. The guest answers
# between them: what QEMU alone is asked stays the same, too, while the guest gets no CPU.
settled()
{
	local before=$last

	ask get /proc/uptime && "$@" || { stable=0; return 1; }
	last=$value
	[ "$before" = "$last" ] && stable=$((stable + 1)) || stable=0
	[ $stable -ge 10 ]
}

until_settled()
{
	last='' stable=0
	until_true settled "$@"
}

# What QEMU calls the statistics; the in-tree driver of 6.1 does not know the last six.
TAGS='swap-in swap-out major-faults minor-faults free-memory total-memory available-memory disk-caches'
TAGS+=' htlb-pgalloc htlb-pgfail'
[ -z "$ours" ] || TAGS+=' oom-kills alloc-stalls async-scans direct-scans async-reclaims direct-reclaims'

stat_of()
{
	qmp qom-get '{"path":"/machine/peripheral/balloon0","property":"guest-stats"}' &&
		value=$(jq -r ".return$1" <<<"$reply")
}

newer_than()
{
	stat_of '["last-update"]' && [ "$value" -gt "$1" ]
}

# The test double inside the guest, see double/balloon_double.c, and what it was a witness of.
DOUBLE=/sys/module/balloon_double/parameters
TELL=1 STATS=2 OOM=4 HINT=8 POISON=16 REPORT=32	# bits of its features

seen()
{
	ask get "$DOUBLE/$1" && value=$answer
}

seen_is()
{
	seen "$1" && [ "$value" = "$2" ]
}

seen_at_least()
{
	seen "$1" && [ "$value" -ge "$2" ]
}

tell()
{
	must ask set "$DOUBLE/$1" "$2"
}

# double FEATURES [PARAMETERS]: a device with those, bound. What the log said of another is gone.
double()
{
	ask rmmod balloon_double	# one that failed left its own
	must ask sh 'dmesg -c >/dev/null' || return 1
	must ask insmod balloon_double "features=$1 ${*:2}" && until_true bound
}

# Of all that the device has seen, nothing was used early, given twice or stored in pieces.
witness()
{
	local what bad=0

	for what in early bad torn poison_late; do
		seen $what && expect [ "$value" = 0 ] || { note "$what: $value"; bad=1; }
	done
	seen check && note "$value"
	return $bad
}

gone()
{
	must ask rmmod balloon_double && whole
}

TRACING=/sys/kernel/tracing

# traced EVENT…: nothing but these from here on.
traced()
{
	must ask sh "echo 0 >$TRACING/events/enable; : >$TRACING/trace; for e in $*; do
		echo 1 >$TRACING/events/\$e/enable || exit 1; done"
}

# The events with $1 in them, each on a line of its own in $last.
events()
{
	ask sh "grep -e '$1' $TRACING/trace" && last=${answer//$'\t'/$'\n'} && [ -n "$last" ]
}

# The guest's own time, in hundredths of a second, into $value: what it did in that long does not depend on the
# machine.
uptime_of()
{
	ask get /proc/uptime && value=${answer%% *} && value=$((10#${value/.}))
}

uptime_at_least()
{
	uptime_of && [ "$value" -ge "$1" ]
}

# Wait until the guest has lived for so long.
guest_lives()
{
	uptime_of && until_true uptime_at_least $((value + $1))
}

# Is a counter of our driver at least $2?
counter_at_least()
{
	attribute "counters/$1" && [ "$value" -ge "$2" ]
}

run_subtests()
{
	local subtest status began

	plan $#
	for subtest; do
		began=${EPOCHREALTIME/.}
		"$subtest"
		status=$?
		note "$subtest took $(((${EPOCHREALTIME/.} - began) / 1000)) ms"
		result $status "$subtest"
		alive || { note 'the guest is gone, the rest cannot be tested'; break; }
	done
	[ "$number" = $# ] || failed=$((failed + $# - number))
	finish
}
