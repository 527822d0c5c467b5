#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests register themselves: KVM's uevent, udev and its rule, pagefoldctl uevent.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

registered()
{
	[ -d "$PF_SYS/vms/$1" ]
}

not_registered()
{
	[ ! -d "$PF_SYS/vms/$1" ]
}

start()
{
	pf_load && "$PF_CTL/udev/start"
}

# A guest comes with its name, and goes with its process.
guest()
{
	local pid bad=0

	start_guests u1:idle:1 || return 1
	pid=$(pf-guest pid u1)
	until_true registered "$pid" && expect equals "vms/$pid/name" u1 &&
		expect equals "vms/$pid/domain" default || bad=1
	pf-guest stop u1 || bad=1
	until_true not_registered "$pid" && return $bad
}

# has_folded NAME: is it registered, and was any of its pages folded?
has_folded()
{
	local vm

	vm=vms/$(pf-guest pid "$1" 2>/dev/null) && registered "${vm#vms/}" &&
		[ $(($(pf_get "$vm/folds") + $(pf_get "$vm/zero_folds"))) -gt 0 ]
}

has_folded_or_up()
{
	has_folded "$1" || ! kill -0 "$2" 2>/dev/null
}

# Guests are registered before they have run an instruction: they are folded from then on, and boot all the same.
# Not with all of the CPU, which may be one and emulated, but pass upon pass. One boot of each may fail, as boots
# under the emulator do at times without any folding; if folding is why, it is not one.
folded_while_booting()
{
	local -A starter=()
	local name bad=0 began=$SECONDS failed_boots=0

	pf_set pass_interval_ms 0 && pf_set cpu_percent 30 && pf_set run 1 || return 1
	for name in u3 u4; do
		start_guests "$name:idle:3" >"/tmp/boots.$name" 2>&1 &
		starter[$name]=$!
	done
	for name in u3 u4; do
		until_true has_folded_or_up "$name" "${starter[$name]}"
		# Whoever starts it waits until it is up.
		expect has_folded "$name" && expect kill -0 "${starter[$name]}" || bad=1
		note "$name: $(pf_get folds) folds and $(pf_get zero_folds) of zero pages before it is up"
	done
	for name in u3 u4; do
		wait "${starter[$name]}" || bad=1
	done
	sed 's/^/# /' /tmp/boots.u[34]
	# What the emulator loses hits both at once, if it does.
	for name in u3 u4; do
		failed_boots=$(grep -c 'did not boot' "/tmp/boots.$name")
		expect [ "$failed_boots" -le 1 ] || bad=1
	done
	note "up within $((SECONDS - began)) s"
	pf_set cpu_percent 100
	for name in u3 u4; do
		vm_passes "$(pf-guest pid "$name")" 1 || bad=1
	done
	note "$(pf_get folded_pages) folded, $(pf_get zero_pages) zero, $(pf_get cow_breaks) COW breaks"
	expect at_least folded_pages 1000 || bad=1
	verify_guests u3 u4 || bad=1
	pf-guest stop u3 && pf-guest stop u4 && return $bad
}

# What the test before this one is worth: a guest that never gets up while pages are folded is seen not to.
never_up_is_seen()
{
	local said

	# Its processor never starts.
	said=$(PF_BOOT_LIMIT=1 pf-guest start u5 -- -S 2>&1) && { note 'it is up'; return 1; }
	note "$said"
	pf_set run 0 && expect grep -q 'did not boot at try \([0-9]\) of \1$' <<<"$said"
}

up()
{
	pf-guest pid "$1" >/tmp/pid 2>&1
}

# Nor is one forgiven that ends as a processor does that resets, which a wrong page may make it do.
reset_is_seen()
{
	local starter said

	pf-guest start u6 -- -S >/tmp/boots.u6 2>&1 &
	starter=$!
	until_true up u6 && kill -KILL "$(pf-guest pid u6)" || return 1
	wait "$starter" && { note 'it is up'; return 1; }
	said=$(</tmp/boots.u6)
	note "$said"
	expect [ "$(grep -c 'did not boot' <<<"$said")" = 1 ] && expect grep -q 'is gone' <<<"$said"
}

# A process that lives on without its VM is none any more.
destroyed()
{
	local said bad=0 pid

	coproc "$here/kvm_vm"
	pid=$COPROC_PID
	read -r -t 60 said <&"${COPROC[0]}" && expect [ "$said" = made ] && until_true registered "$pid" || bad=1
	echo >&"${COPROC[1]}"
	read -r -t 60 said <&"${COPROC[0]}" && expect [ "$said" = gone ] && until_true not_registered "$pid" || bad=1
	expect kill -0 "$pid" || bad=1
	echo >&"${COPROC[1]}"
	wait "$pid" || bad=1
	return $bad
}

# Nobody is told to register where the module is not.
unloaded()
{
	pf_unload && start_guests u2:idle:2 && verify_guests u2 && pf-guest stop u2 && expect [ ! -d "$PF_SYS" ]
}

run_subtests start guest folded_while_booting never_up_is_seen reset_is_seen destroyed unloaded
finish
