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
	text=$(env "${env[@]}" "$ctl" --sysroot "$root" "$@" 2>&1)
	got=$?
	holds=$(cat "$sys/$attr" 2>/dev/null)
	number=$((number + 1))
	if [ "$got" = "$code" ] && [ "$holds" = "$content" ] && [[ $text == *"$part"* ]] &&
		{ [ "$code" != 0 ] || [ "$1" = status ] || [ -z "$text" ]; }; then
		echo "ok $number $name"
	else
		bad=1
		echo "# exit $got, want $code; $attr holds '$holds', want '$content'; said: $text"
		echo "not ok $number $name"
	fi
}

echo "KTAP version 1"
echo "1..27"

fresh
expect "register writes the id" 0 register "12" "" -- register 12
fresh
expect "register writes every setting" 0 register "12 name=a domain=b policy=always share=7" "" \
	-- register 12 share=7 policy=always domain=b name=a
fresh
expect "register wants an id" 2 register "" "want a PID" -- register
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
expect "unregister refuses a third word" 2 unregister "" "want nothing or unfold" \
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

mkdir "$sys/vms/99"
for attr in name=web-1 domain=default eligible_bytes=134217728 resident_bytes=67108864 \
	folded_pages=256 zero_pages=512 saved_bytes=3145728; do
	echo "${attr#*=}" >"$sys/vms/99/${attr%%=*}"
done
expect "status shows MiB" \
	0 vms "" "     99 web-1        default       128.0     64.0      1.0      2.0      3.0" \
	-- status
rm "$sys/vms/99/name"
expect "status leaves out a VM that went" 0 vms "" "  total MiB                          0.0" \
	-- status

rm -r "$sys"
expect "without the module the exit code is 3" 3 vms "" "is the module loaded" -- register 12
exit "$bad"
