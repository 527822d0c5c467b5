#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The command line end to end against a made-up /sys, /proc and /etc: what is written, exit codes,
# error texts.
set -u
ctl=${1:?usage: test-cli.sh PAGEFOLDCTL}
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
sys=$root/sys/kernel/pagefold
number=0
bad=0

# fresh: an empty registry; process 100 is a thread of QEMU process 99, which has a VM, 55 is a
# shell.
fresh() {
	rm -rf "${root:?}"/*
	mkdir -p "$sys/vms" "$root/etc/pagefold" "$root/proc"/{99/fd,100,55/fd}
	: >"$sys/register"
	: >"$sys/unregister"
	printf 'Name:\tqemu\nTgid:\t99\nPid:\t99\n' >"$root/proc/99/status"
	printf 'Name:\tqemu\nTgid:\t99\nPid:\t100\n' >"$root/proc/100/status"
	printf 'Name:\tsh\nTgid:\t55\nPid:\t55\n' >"$root/proc/55/status"
	printf 'qemu\0-name\0guest=web 1\0' >"$root/proc/99/cmdline"
	ln -s anon_inode:kvm-vm "$root/proc/99/fd/9"
}

# expect NAME EXIT-CODE ATTRIBUTE CONTENT ERROR-PART -- [VAR=value ...] VERB ARGUMENTS...
expect() {
	local name=$1 code=$2 attr=$3 content=$4 part=$5 env=() got text holds
	shift 6
	while [[ ${1-} =~ ^[A-Z]+= ]]; do
		env+=("$1")
		shift
	done
	text=$(env "${env[@]}" "$ctl" --sysroot "$root" "$@" 2>&1 </dev/null)
	got=$?
	holds=$(cat "$sys/$attr" 2>/dev/null)
	number=$((number + 1))
	if [ "$got" = "$code" ] && [ "$holds" = "$content" ] && [[ $text == *"$part"* ]] &&
		{ [ "$code" != 0 ] || [ -n "$part" ] || [ -z "$text" ]; }; then
		echo "ok $number $name"
	else
		bad=1
		echo "# exit $got, want $code; $attr holds '$holds', want '$content'; said: $text"
		echo "not ok $number $name"
	fi
}

echo "KTAP version 1"

fresh
expect "register writes the id" 0 register "12" "" -- register 12
fresh
expect "register writes every setting" 0 register "12 name=a domain=b policy=always share=7" "" \
	-- register 12 share=7 policy=always domain=b name=a
fresh
expect "register wants an id" 2 register "" "want PID [name=N]" -- register
expect "register refuses what is no id" 2 register "" 'PID "1 2": want a process id, 1 to 4194304' \
	-- register "1 2"
expect "register refuses a key it does not know" 2 register "" 'key "color"' \
	-- register 12 color=red
expect "register refuses a word" 2 register "" '"unfold": want name=N' -- register 12 unfold
expect "register refuses a value with a space" 2 register "" 'name "a domain=b"' \
	-- register 12 "name=a domain=b"
ln -sf /dev/full "$sys/register"
expect "the kernel's errno is explained" 1 vms "" "No space left on device: 16383 VMs" \
	-- register 12

fresh
expect "unregister writes the id" 0 unregister "12" "" -- unregister 12
fresh
expect "unregister passes unfold on" 0 unregister "12 unfold" "" -- unregister 12 unfold
fresh
expect "unregister refuses another word" 2 unregister "" '"fold": want nothing or unfold' \
	-- unregister 12 fold
expect "unregister refuses a third word" 2 unregister "" '"now": one argument too many' \
	-- unregister 12 unfold now

expect "create registers the process by the guest's name" \
	0 register "99 name=web-1 domain=default" "" \
	-- EVENT=create PID=99 CREATED=1 COUNT=1 uevent
fresh
expect "create by a thread registers its process" 0 register "99 name=web-1 domain=default" "" \
	-- EVENT=create PID=100 uevent
fresh
printf 'domain = tenant\npolicy = always\nshare = 50\n' >"$root/etc/pagefold/register.conf"
expect "create takes the configuration" \
	0 register "99 name=web-1 domain=tenant policy=always share=50" "" \
	-- EVENT=create PID=99 uevent
fresh
echo "domian = tenant" >"$root/etc/pagefold/register.conf"
expect "a mistake in the configuration registers nobody" \
	2 register "" 'register.conf: line 1: key "domian"' \
	-- EVENT=create PID=99 uevent
fresh
expect "create of a process that has gone is no error" 0 register "" "" \
	-- EVENT=create PID=98 uevent
expect "create of a process without KVM registers nobody" 0 register "" "" \
	-- EVENT=create PID=55 uevent
expect "destroy unregisters" 0 unregister "55" "" -- EVENT=destroy PID=55 uevent
fresh
expect "destroy of a process that has gone is no error" 0 unregister "" "" \
	-- EVENT=destroy PID=98 uevent
expect "destroy leaves a process that has another VM" 0 unregister "" "" \
	-- EVENT=destroy PID=99 uevent
expect "an event that is unknown is refused" 2 register "" 'EVENT "pause": want create or destroy' \
	-- EVENT=pause PID=99 uevent
expect "an event without PID is refused" 2 register "" "PID is not set" -- EVENT=create uevent
expect "a malformed PID is refused" 2 register "" 'PID "99;reboot"' \
	-- EVENT=create "PID=99;reboot" uevent

# vm PID NAME: a VM of a module that knows targets.
vm() {
	mkdir -p "$sys/vms/$1"
	for attr in "name=$2" domain=default policy=madvise share=100 eligible_bytes=134217728 \
		resident_bytes=67108864 folded_pages=256 zero_pages=512 saved_bytes=3145728 \
		target_bytes=0 state=none; do
		echo "${attr#*=}" >"$sys/vms/$1/${attr%%=*}"
	done
}

fresh
vm 99 web-1
vm 100 db
vm 101 db
header="PID NAME  DOMAIN     RAM RESIDENT FOLDED SAVED ZERO BALLOON SWAPPED WSS TARGET STATE"
expect "status is what is done without a verb" 0 vms "" "$header" --
rm "$sys/vms/99/name"
expect "status leaves out a VM that went" 0 vms "" "STATE
  100 db " -- status
rm -r "$sys/vms/99"
vm 99 web-1
expect "status refuses an argument" 2 vms "" '"x": one argument too many' -- status x
expect "an option that is none" 2 vms "" 'no such option: "--jsno"' -- status --jsno
expect "an option of another verb" 2 vms "" '--count: not an option of this verb' \
	-- status --count 2
expect "an option without its value" 2 vms "" '"--sysroot": wants a value' -- --sysroot
expect "an option given twice" 2 vms "" '--sysroot: given twice' -- --sysroot / status
expect "an empty directory" 2 vms "" '--output "": want a path of 1 to 1024 bytes' \
	-- record --output ""
expect "a verb that is none" 2 vms "" 'no such verb: "stauts"' -- stauts
expect "errors are JSON when output is" 2 vms "" '"error": "\"x\": one argument too many' \
	-- --json status x

t=vms/99/target_bytes
expect "target by name" 0 $t 536870912 "" -- target web-1 512M
expect "target by id" 0 $t 1610612736 "" -- target 99 1.5GiB
expect "target auto is none" 0 $t 0 "" -- target web-1 auto
expect "target refuses what is no size" 2 $t 0 \
	'target "512MB": want a size like 512M or 1.5GiB, 1MiB to 8.0EiB, or auto' \
	-- target web-1 512MB
expect "target refuses 0, which would be none" 2 $t 0 'target "0": want a size' -- target web-1 0
expect "target refuses what the module cannot hold" 2 $t 0 'target "8E": want a size' \
	-- target web-1 8E
expect "target of nobody" 4 $t 0 'VM "nobody": none of the 3' -- target nobody 1G
expect "target of two" 2 $t 0 'VM "db": several have this name, want a process id of 100 101' \
	-- target db 1G
expect "target of what cannot be a VM" 2 $t 0 'VM "../x": want a process id, or a name' \
	-- target ../x 1G
expect "target wants a size" 2 $t 0 "want VM SIZE|auto" -- target web-1
expect "target takes no more" 2 $t 0 '"now": one argument too many' -- target web-1 1G now
rm "$sys/vms/99/target_bytes"
expect "target on a module without targets" 1 vms "" "this module has no such setting" \
	-- target web-1 1G
vm 99 web-1

expect "set one" 0 vms/99/share 7 "" -- set web-1 share=7
expect "set several" 0 vms/99/policy always "" -- set 99 policy=always name=web-2 target=64M
expect "set did them all" 0 $t 67108864 "" -- set web-2 domain=tenant
expect "set did the first too" 0 vms/99/domain tenant "" -- set web-2 name=web-1
expect "set does nothing when the last is wrong" 2 vms/99/share 7 'policy "maybe": want madvise' \
	-- set web-1 share=9 policy=maybe
expect "set refuses another key" 2 vms/99/share 7 \
	'key "color": want name, domain, policy, share or target' -- set web-1 color=red
expect "set refuses a word" 2 vms/99/share 7 '"share": want KEY=VALUE' -- set web-1 share
expect "set refuses a key twice" 2 vms/99/share 7 'share: given twice' -- set web-1 share=1 share=2
expect "set refuses a target twice" 2 $t 67108864 'target: given twice' \
	-- set web-1 target=1G target=auto
expect "set refuses a share out of range" 2 vms/99/share 7 'share "0": want a number, 1 to 10000' \
	-- set web-1 share=0
expect "set wants a key" 2 vms/99/share 7 "want KEY=VALUE after the VM" -- set web-1
expect "set of nobody" 4 vms/99/share 7 'VM "nobody": none of the 3' -- set nobody share=1

for knob in cpu_percent threads wss_samples; do
	echo 1 >"$sys/$knob"
done
expect "set of the module" 0 cpu_percent 25 "" -- set --module cpu_percent=25 threads=2
expect "set of several" 0 threads 2 "" -- set --module wss_samples=400
expect "set auto where it is known" 0 cpu_percent auto "" -- set --module cpu_percent=auto
expect "set refuses auto elsewhere" 2 threads 2 'threads "auto": want a number, 1 to 16' \
	-- set --module threads=auto
expect "set refuses a knob out of range" 2 wss_samples 400 \
	'wss_samples "10001": want a number, 1 to 10000' -- set --module wss_samples=10001
expect "set refuses a knob that is none" 2 threads 2 'key "thread": want cpu_percent, threads' \
	-- set --module thread=1
expect "set refuses a path" 2 threads 2 'key "../x": want' -- set --module ../x=1

echo 0 >"$sys/run"
expect "run on" 0 run 1 "" -- run on
expect "run unfold" 0 run 2 "" -- run unfold
expect "run says which" 0 run 2 "unfold" -- run
expect "run off" 0 run 0 "" -- run off
expect "run refuses another word" 2 run 0 '"start": want on, off or unfold' -- run start
echo 7 >"$sys/run"
expect "run of a module that lies" 2 run 7 "want a number, 0 to 2" -- run

mkdir -p "$root/proc"
printf 'MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n' \
	>"$root/proc/meminfo"
expect "plan refuses a size" 2 vms "" '--size "1MB": want a size like' -- plan --size 1MB
expect "plan refuses a size of nothing" 2 vms "" '--size "1K": want a size like' -- plan --size 1K
expect "plan refuses a risk of nothing" 2 vms "" '--risk "0": want percent, 0.01 to 50' \
	-- plan --risk 0
expect "plan refuses a risk that is none" 2 vms "" '--risk "5%": want percent' -- plan --risk 5%
expect "plan refuses a risk too fine" 2 vms "" '--risk "0.001": want percent' -- plan --risk 0.001
expect "plan refuses a risk beyond" 2 vms "" '--risk "50.01": want percent' -- plan --risk 50.01
expect "plan refuses a point alone" 2 vms "" '--risk "5.": want percent' -- plan --risk 5.
expect "plan refuses no guests" 2 vms "" '--guests "0": want a number, 1 to 16383' \
	-- plan --guests 0
expect "plan refuses to keep all" 2 vms "" "--reserve 8GiB: want a size below the host's 8GiB" \
	-- plan --reserve 8G
expect "plan refuses an overcommit of nothing" 2 vms "" '--overcommit "0": want a number, 0.1 to 100' \
	-- plan --overcommit 0
expect "plan refuses an overcommit in percent" 2 vms "" '--overcommit "150%": want a number' \
	-- plan --overcommit 150%
expect "plan refuses what is there already" 2 vms "" '--overcommit 0.10: want 3.75, which is here, to' \
	-- plan --overcommit 0.1 --size 1G --reserve 7.9G
expect "plan refuses two questions" 2 vms "" '--overcommit and --guests: want one' \
	-- plan --overcommit 2 --guests 3
expect "plan plans" 0 vms "" "fits at the risk" -- plan --risk 1 --size 128M

expect "record refuses an interval" 2 vms "" '--interval "0": want seconds, 0.1 to 3600' \
	-- record --interval 0
expect "record refuses a negative" 2 vms "" '--interval "-1": want seconds' -- record --interval -1
expect "record refuses a count" 2 vms "" '--count "x": want a number, 1 to 1000000000' \
	-- record --count x
expect "record cannot write there" 1 vms "" '--output "/nonexistent/x": cannot open to append: No such' \
	-- record --output /nonexistent/x --count 1
echo 1 >"$sys/run"
expect "record records" 0 vms "" "" -- record --output "$root/run.jsonl" --count 2 --interval 0.1
lines=$(grep -c '"type":"vm"' "$root/run.jsonl")
expect "record has both readings of three VMs" 0 vms "" "$lines" -- status
[ "$lines" = 6 ] || { bad=1; echo "# $lines lines of VMs, want 6"; }
expect "report reports" 0 vms "" "" -- report --record "$root/run.jsonl" --output "$root/run.html"
expect "report of nothing" 1 vms "" '--record "/nonexistent": cannot open: No such file' \
	-- report --record /nonexistent
expect "report of no record" 2 vms "" 'no record: not JSON' -- report --record "$root/proc/meminfo"
: >"$root/empty"
expect "report of an empty file" 2 vms "" 'no record: it has no line' \
	-- report --record "$root/empty"
expect "report cannot write there" 1 vms "" '--output "/nonexistent/x": cannot make: No such' \
	-- report --record "$root/run.jsonl" --output /nonexistent/x
expect "top wants a terminal" 2 vms "" "wants a terminal" -- top
# on_terminal NAME EXIT-CODE PART TERM ARGUMENTS…: on one of 160 columns, as 24 lines of a log.
on_terminal() {
	local name=$1 code=$2 part=$3 term=$4 text got

	shift 4
	text=$(TERM=$term LC_ALL=C.UTF-8 script -qec \
		"stty rows 24 cols 160; '$ctl' --sysroot '$root' $*" /dev/null </dev/null)
	got=$?
	number=$((number + 1))
	if [ $got = "$code" ] && [[ $text == *"$part"* ]]; then
		echo "ok $number $name"
	else
		bad=1
		echo "# exit $got, want $code; drew: ${text@Q}"
		echo "not ok $number $name"
	fi
}
on_terminal "top draws the VMs" 0 "web-1" xterm top --count 2 --interval 0.1
on_terminal "top draws their bars" 0 "▅" xterm top --count 2 --interval 0.1
on_terminal "top says what the host has" 0 "host: 8GiB, 4GiB available" xterm top --count 1
on_terminal "top refuses a terminal that is none" 1 'TERM "nonsense"' nonsense top --count 1
on_terminal "top has no JSON" 2 '--json: top is for a terminal' xterm top --json
expect "events refuses a count" 2 vms "" '--count "0": want a number' -- events --count 0
echo x >"$sys/vms/99/resident_bytes"
expect "a dump that lies is refused with the file" 2 vms "" \
	'vms/99/resident_bytes holds "x": want a number' -- status

rm -r "$sys"
expect "without the module the exit code is 3" 3 vms "" "is the module loaded" -- register 12
echo "1..$number"
exit "$bad"
