#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pagefoldd with real guests: it finds them, shares, takes and gives back, is told what an operator wants, and
# outlives all.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"
. "$(dirname "$0")/daemon.lib.sh"

group=/sys/fs/cgroup/d3

vm()
{
	echo "vms/$(pf-guest pid "$1")/$2"
}

vm_above()
{
	[ "$(pf_get "$(vm "$1" "$2")" 2>/dev/null || echo 0)" -gt $(($3 * MIB)) ]
}

vm_is()
{
	[ "$(pf_get "$(vm "$1" "$2")" 2>/dev/null)" = "$3" ]
}

freed_at_least()
{
	[ "$(freed "$1" "$2")" -ge "$3" ]
}

# boot_with NAME MODULES [OPTION]: the option is one of its balloon device.
boot_with()
{
	local name=$1 modules=$2

	pf-guest start "$name" --memory 192M --work idle --work-mb 30 --seed "${name#d}" --modules "$modules" -- \
		-device "virtio-balloon-device${3:+,$3}"
}

# A guest without a driver for its balloon, which has a cgroup to itself: who waits there for it to end does not.
boot_in_group()
{
	local p

	(echo $BASHPID >$group/cgroup.procs && boot_with d3 '') || return 1
	for p in $(<$group/cgroup.procs); do
		[ "$p" = "$(pf-guest pid d3)" ] || echo "$p" >/sys/fs/cgroup/cgroup.procs
	done
}

swap_on()
{
	modprobe zram && echo 512M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
}

# One after the other: on one emulated CPU nothing is won side by side, and none may be up in time.
boot()
{
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p $group && swap_on &&
		boot_with d1 virtio_mmio,virtio_balloon && boot_with d2 virtio_mmio,virtio_balloon && boot_in_group &&
		use_and_free d1 && use_and_free d2 && use_and_free d3 && pf_load && pf_set cpu_percent 20 &&
		pf_set wss_period_ms 5000
}

# What a guest used once and freed the host has still to give: that is what a balloon takes.
use_and_free()
{
	expect [ "$(pf-guest waste "$1" 60)" = 60 ]
}

# It registers guests that were there before it, and reaches their monitors.
finds_running_guests()
{
	configure 100
	start_daemon
	until_true said 'd1 .*monitor connected, balloon' && until_true said 'd2 .*monitor connected' &&
		until_true vm_is d3 target_bytes 0 && expect vm_is d1 name d1
}

registered()
{
	[ -d "$PF_SYS/vms/$1" ]
}

not_registered()
{
	[ ! -d "$PF_SYS/vms/$1" ]
}

# One that comes later too, of which KVM tells; here is no udev to do it.
hears_of_a_new_vm()
{
	local bad=0 line made

	coproc "$here/kvm_vm"
	made=$COPROC_PID
	read -r -t 60 line <&"${COPROC[0]}" && expect [ "$line" = made ] && until_true registered "$made" || bad=1
	printf '\n\n' >&"${COPROC[1]}"
	wait "$made" || bad=1
	until_true not_registered "$made" && return $bad
}

# Short of memory, and yet no balloon takes anything while sharing has its time. Who finds that nobody scans waits for
# nobody, so the scan is there first.
shares_before_it_takes()
{
	pf_set run 1 || return 1
	configure $(($(available) + 120)) 3600
	until_true freed_at_least d1 share 8 && until_true freed_at_least d2 share 8 || return 1
	note "sharing gave back $(freed d1 share) MiB of d1, $(freed d2 share) of d2"
	# Who has enough by that has no state any more.
	expect said 'd1 .*rung share' && expect said 'd2 .*rung share' && ! said 'rung balloon'
}

# uses_less NAME BYTES, into $after.
uses_less()
{
	after=$(pf_get "$(vm "$1" usage_bytes)") && [ "$after" -le "$2" ]
}

# What a balloon takes first the host may never have had: so it is waited for until the host has its part.
takes_memory()
{
	local before after

	before=$(pf_get "$(vm d1 usage_bytes)")
	configure $(($(available) + 100))
	until_true freed_at_least d1 balloon 20 && until_true freed_at_least d2 balloon 20 || return 1
	until_true vm_above d1 achieved_bytes 20 && until_true uses_less d1 $((before - 15 * MIB)) || return 1
	note "d1 used $((before / MIB)) MiB, then $((after / MIB)); balloon $(($(pf_get "$(vm d1 balloon_bytes)") / MIB))"
	verify_guests d1 d2 d3
}

# Its device is there, nobody drives it: nothing is taken, and nothing but this guest waits.
guest_without_driver()
{
	expect vm_is d3 balloon_bytes 0 && expect vm_is d3 target_bytes 0
}

# hand_outlives MIB: whoever comes after knows the target that an operator set, and tells it as it was set.
hand_outlives()
{
	pf_set "$(vm d1 target_bytes)" $(($1 * MIB)) && until_true said "d1 .*target ${1}MiB: set by hand" || return 1
	kill_daemon
	start_daemon
	until_true said 'd1 .*set by hand' && until_true said 'd2 .*monitor connected' &&
		expect said "d1 .*target ${1}MiB: set by hand" && expect vm_is d1 target_bytes $(($1 * MIB)) &&
		! said 'd2 .*set by hand'
}

# The second is more than it uses, which is all that is known of its RAM before QEMU has answered.
hand_set_outlives_sigkill()
{
	hand_outlives 50 && hand_outlives 180 && pf_set "$(vm d1 target_bytes)" 0
}

# Pages that the kernel reclaimed in the cgroup of d3.
stolen()
{
	awk '$1 == "pgsteal" { print $2 }' $group/memory.stat
}

# lower MIB: an operator sets the target of d3 so much below what it uses, and it is paged out.
lower()
{
	local paged

	paged=$(freed d3 page)
	pf_set "$(vm d3 target_bytes)" $(($(pf_get "$(vm d3 usage_bytes)") - $1 * MIB)) &&
		until_true freed_at_least d3 page $((paged + $1 / 2)) && until_true vm_is d3 state none && return
	grep ' d3 ' $log | tail -n 20 | sed 's/^/# log: /'
	return 1
}

# A guest that cannot be ballooned is paged out, where an operator allows it: through the cgroup that it has to
# itself.
pages_out_through_a_cgroup()
{
	local before

	# Sharing would be there first.
	pf_set run 0
	printf '[vm]\npaging = yes\n' >/etc/pagefold/vm.d/d3.conf
	kill -HUP "$pid"
	before=$(stolen)
	lower 16 || return 1
	note "$(freed d3 page) MiB are paged out, $(($(stolen) - before)) pages of them by the cgroup"
	expect [ $(($(stolen) - before)) -ge 2048 ] && expect [ "$(<$group/memory.swap.current)" -ge $((8 * MIB)) ]
}

# And by naming its pages where it is not alone in its cgroup, of which then nobody asks anything.
pages_out_by_name()
{
	local before bad=0 other

	tail -f /dev/null &
	other=$!
	echo $other >$group/cgroup.procs
	before=$(stolen)
	lower 8 || bad=1
	note "$(freed d3 page) MiB are paged out, $(($(stolen) - before)) pages of them by the cgroup"
	expect [ "$(stolen)" = "$before" ] || bad=1
	kill -KILL $other
	wait $other 2>/dev/null
	rm /etc/pagefold/vm.d/d3.conf
	kill -HUP "$pid"
	pf_set "$(vm d3 target_bytes)" 0 && verify_guests d3 && return $bad
}

# The guest has all of its balloon back.
driver_is_removed()
{
	configure $(($(available) + 100))
	until_true vm_above d2 balloon_bytes 15 && pf-guest unload d2 virtio_balloon && until_true vm_is d2 balloon_bytes 0
}

# And is not asked again, as soon as it was silent for so long that nobody can be there.
driver_is_missed()
{
	until_true said 'd2 .*no way to take anything from it' && until_true vm_is d2 target_bytes 0 && verify_guests d2
}

# A guest that tells its device what it frees: the host has that again without asking, and knows by which rung.
reports_what_it_frees()
{
	local bad=0

	boot_with d4 virtio_mmio,virtio_balloon free-page-reporting=on &&
		until_true said 'd4 .*monitor connected, balloon with free page reporting' || return 1
	use_and_free d4 && until_true freed_at_least d4 report 20 || bad=1
	note "$(freed d4 report) MiB of d4 were reported, it uses $(($(pf_get "$(vm d4 usage_bytes)") / MIB))"
	expect vm_is d4 balloon_bytes 0 && expect [ "$(freed d4 balloon)" = 0 ] && verify_guests d4 && pf-guest stop d4 &&
		return $bad
}

# fresh NAME: it has sent statistics.
fresh()
{
	figure "$1" statistics_fresh 1
}

# figure NAME WHAT VALUE: as the daemon tells it.
figure()
{
	grep -q "^pagefoldd_vm_$2{.*name=\"$1\"} $3\$" $metrics
}

qemu_is_killed()
{
	pf-guest kill d2
	until_true said 'd2 .*gone' && kill -0 $pid
}

gives_back()
{
	configure 100
	until_true vm_is d1 balloon_bytes 0 && until_true vm_is d1 target_bytes 0 && verify_guests d1 d3
}

# With paging allowed and no time given to the balloon, what a guest has free is still none of the host's to write to
# swap, and read again.
free_memory_is_not_paged()
{
	local bad=0 usage taken

	printf '[vm]\npaging = yes\n' >/etc/pagefold/vm.d/d1.conf
	deadline_s=1 configure 100
	use_and_free d1 && until_true fresh d1 || return 1
	usage=$(pf_get "$(vm d1 usage_bytes)") taken=$(freed d1 balloon)
	pf_set "$(vm d1 target_bytes)" $((usage - 20 * MIB)) && until_true uses_less d1 $((usage - 18 * MIB)) &&
		until_true freed_at_least d1 balloon $((taken + 15)) || bad=1
	note "d1 used $((usage / MIB)) MiB, then $((after / MIB)), of which $(freed d1 page) are paged out"
	expect grep -q '^VmSwap:\s*0 kB' "/proc/$(pf-guest pid d1)/status" && expect figure d1 page_asked_bytes_total 0 ||
		bad=1
	rm /etc/pagefold/vm.d/d1.conf
	configure 100
	pf_set "$(vm d1 target_bytes)" 0 && until_true vm_is d1 balloon_bytes 0 && verify_guests d1 && return $bad
}

module_goes_and_comes()
{
	pf_unload || return 1
	until_true said 'waiting for the module' && pf_load && until_true vm_is d1 name d1 &&
		until_true vm_is d3 name d3
}

# Two hundred VMs of KVM, of which nobody tells but the kernel: each is found, and gone when it was killed. They read
# from a pipe that nobody writes to.
come_and_go()
{
	local i j batch=20 pids others

	others=$(vms)
	for ((i = 1; i <= 200 / batch; i++)); do
		pids=()
		for ((j = 0; j < batch; j++)); do
			"$here/kvm_vm" <&"$tick" >/dev/null &
			pids+=($!)
		done
		until_true counted 'kvm_vm (.*found' $((i * batch)) || return 1
		kill -KILL "${pids[@]}"
		wait "${pids[@]}" 2>/dev/null
		until_true counted 'kvm_vm (.*gone$' $((i * batch)) || return 1
	done
	kill -0 $pid && expect [ "$(vms)" = "$others" ]
}

vms()
{
	find $PF_SYS/vms -mindepth 1 -maxdepth 1 | wc -l
}

counted()
{
	[ "$(grep -c -e "$1" $log)" -ge "$2" ]
}

# The record has what each rung gave back, by two daemons, and the guests beside; the report is made of it.
noted()
{
	grep -q "\"name\":\"$1\",\"rung\":\"$2\".*\"freed_bytes\":[1-9]" $record
}

run_is_recorded()
{
	expect noted d1 share && expect noted d2 balloon && expect noted d3 pageout &&
		expect grep -q '"name":"d1",.*"wss_bytes"' $record &&
		expect [ "$(grep -c '"type":"start"' $record)" = 3 ] || return 1
	"$PF_CTL/pagefoldctl" report --record $record --output /tmp/report.html &&
		expect grep -q 'd3' /tmp/report.html && expect grep -q 'pageout' /tmp/report.html
}

ends()
{
	note_costs
	kill -TERM $pid && wait $pid && pf-guest stop d1 && pf-guest stop d3 && pf_unload && swapoff /dev/zram0 &&
		rmdir $group
}

# All that follows is done with these.
has_what_its_unit_leaves_it()
{
	note "$(grep CapEff "/proc/$pid/status")"
	expect [ "$(grep CapEff "/proc/$pid/status")" = "$(as_in_unit /bin/grep CapEff /proc/self/status)" ] &&
		expect [ "$(grep CapEff "/proc/$pid/status")" != "$(grep CapEff /proc/self/status)" ]
}

subtests=(boot finds_running_guests has_what_its_unit_leaves_it hears_of_a_new_vm shares_before_it_takes takes_memory guest_without_driver
	hand_set_outlives_sigkill driver_is_removed pages_out_through_a_cgroup pages_out_by_name
	come_and_go driver_is_missed qemu_is_killed gives_back free_memory_is_not_paged reports_what_it_frees
	module_goes_and_comes run_is_recorded ends)
run_subtests "${subtests[@]}"
[ -z "$pid" ] || kill -KILL $pid 2>/dev/null
finish
