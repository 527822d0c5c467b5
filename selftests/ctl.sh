#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pagefoldctl against the live module: what it shows is what sysfs holds, what it sets is what sysfs
# holds then, and no attribute of the module is unknown to it.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"

ctl=$PF_CTL/pagefoldctl
me=$PF_SYS/vms/$$
out=$(mktemp -d)

# said WORDS…: was that part of what the last call of ask printed?
said()
{
	[[ $answer == *"$*"* ]]
}

# ask STATUS ARGUMENTS…: run pagefoldctl, keep what it prints, and complain unless it ends so.
ask()
{
	local want=$1 status

	shift
	answer=$("$ctl" "$@" 2>&1 </dev/null)
	status=$?
	[ "$status" = "$want" ] && return
	note "pagefoldctl $* ended with $status, not $want: $answer"
	return 1
}

without_module()
{
	local verb bad=0

	for verb in status metrics plan record events run; do
		ask 3 "$verb" --json && expect said 'is the module loaded' || bad=1
	done
	ask 3 target 1 1G && ask 3 register $$ && return $bad
}

registering()
{
	pf_load && ask 0 register $$ name=me domain=tenant share=50 && ask 0 status --json &&
		expect said '"name": "me"' && expect said '"domain": "tenant"' &&
		expect said "\"pid\": $$," && ask 0 && expect said ' me ' &&
		ask 1 register $$ && expect said 'registered already'
}

settings()
{
	ask 0 set me name=other policy=always share=70 domain=b &&
		expect equals "vms/$$/name" other && expect equals "vms/$$/policy" always &&
		expect equals "vms/$$/share" 70 && expect equals "vms/$$/domain" b &&
		ask 0 set other name=me && expect equals "vms/$$/name" me &&
		ask 4 set other share=1 && expect said 'none of the 1'
}

# The numbers of a directory that can be read, but for those that have no place in a list of figures.
numbers_of()
{
	local file

	for file in "$1"/*; do
		[ -f "$file" ] && [ -r "$file" ] && [[ $(cat "$file" 2>/dev/null) =~ ^[0-9]+$ ]] &&
			basename "$file"
	done
}

# Every number of a VM is a figure, and what does not move by itself is shown as it is.
figures_of_vms()
{
	local file bad=0

	ask 0 metrics --json || return 1
	for file in $(numbers_of "$me"); do
		expect said "\"$file\":" || bad=1
	done
	expect said '"share": 70' && ask 0 metrics && expect said "vm=\"me\",domain=\"b\"} 70" &&
		expect said '# EOF' && return $bad
}

# Every number of the module is a figure, or a setting that takes what it holds.
figures_of_module()
{
	local file bad=0 metrics

	ask 0 metrics --json || return 1
	metrics=$answer
	for file in $(numbers_of "$PF_SYS"); do
		[[ $metrics == *"\"$file\":"* ]] || ask 0 set --module "$file=$(pf_get "$file")" || bad=1
	done
	return $bad
}

# Every setting of the module can be set by it: one at the least and one beyond the greatest.
settings_of_module()
{
	local file value bad=0

	for file in "$PF_SYS"/*; do
		[ -f "$file" ] || continue
		[ "$(stat -c %a "$file")" = 644 ] || continue
		[ "${file##*/}" != run ] || continue
		value=$(<"$file")
		ask 0 set --module "${file##*/}=$value" || bad=1
		expect equals "${file##*/}" "$value" || bad=1
		ask 2 set --module "${file##*/}=99999999999" && expect said 'want a number' || bad=1
	done
	return $bad
}

# Where pagefoldctl and the module disagree about a range the operator gets a number for an answer.
ranges_agree()
{
	local bad=0 file range least greatest was

	while read -r file least greatest; do
		[ -e "$PF_SYS/$file" ] || continue
		was=$(pf_get "$file")
		for range in "$least" "$greatest"; do
			ask 0 set --module "$file=$range" && expect equals "$file" "$range" || bad=1
		done
		ask 2 set --module "$file=$((greatest + 1))" || bad=1
		ask 0 set --module "$file=$was" || bad=1
	done <<-END
		cpu_percent 1 100
		threads 1 16
		pass_interval_ms 0 3600000
		fold_zero 0 1
		thp_split_pages 1 512
		rest_passes_max 0 255
		merge_across_nodes 0 1
		lock_hold_max_us 50 1000000
		busy_hold_max_us 1 1000000
		wss_samples 1 10000
		wss_period_ms 0 3600000
		wss_cpu_permille 1 1000
	END
	return $bad
}

running()
{
	ask 0 run on && expect equals run 1 && ask 0 run && expect said on &&
		ask 0 run unfold && expect equals run 2 && ask 0 run off && expect equals run 0
}

# A module without targets says so, rather than that all went well.
targets()
{
	if [ ! -e "$me/target_bytes" ]; then
		ask 1 target me 64M && expect said 'this module has no such setting'
		return
	fi
	ask 0 target me 64M && expect equals "vms/$$/target_bytes" 67108864 &&
		ask 0 status --json && expect said '"target_bytes": 67108864' &&
		ask 0 set me target=1.5GiB && expect equals "vms/$$/target_bytes" 1610612736 &&
		ask 0 target me 7.5E && expect equals "vms/$$/target_bytes" 8646911284551352320 &&
		ask 2 target me 8E && ask 0 target me auto && expect equals "vms/$$/target_bytes" 0 &&
		ask 0 status --json && expect said '"target_bytes": null'
}

has()
{
	grep -q -- "$2" "$1"
}

# Followers tell what changes, as it changes, and end at their count.
following()
{
	local follower bad=0

	"$ctl" events --json --trace --count 5 --interval 0.1 >"$out/events" 2>&1 &
	follower=$!
	until_true has "/proc/$follower/status" 'State:.S' || bad=1
	# The first reading is nobody's event: change until the change is seen. That may be two events, the name set
	# back and the domain are one each: so the tracepoint is the fifth at the latest.
	change_name()
	{
		pf_set "vms/$$/name" "x$RANDOM"
		has "$out/events" vm-name
	}
	until_true change_name || bad=1
	pf_set "vms/$$/name" me
	pf_set "vms/$$/domain" c
	until_true has "$out/events" pagefold_vm_domain || bad=1
	ask 0 run on
	ask 0 run off
	wait $follower || bad=1
	expect [ "$(wc -l <"$out/events")" = 5 ] || bad=1
	expect [ -z "$(ls /sys/kernel/tracing/instances)" ] || bad=1
	[ $bad = 0 ] || note "$(cat "$out/events")"
	return $bad
}

recording()
{
	ask 0 record --output "$out/run.jsonl" --count 3 --interval 0.1 &&
		expect [ "$(grep -c '"type":"vm"' "$out/run.jsonl")" = 3 ] &&
		expect has "$out/run.jsonl" "\"kernel\":\"$(uname -r)\"" &&
		ask 0 report --record "$out/run.jsonl" --output "$out/run.html" &&
		expect has "$out/run.html" '</html>' && expect has "$out/run.html" '<svg '
}

# This host has no swap and no daemon, and pagefoldctl says what to do about it.
doctor()
{
	ask 5 doctor --json && expect said '"check": "swap"' && expect said '"check": "module"' &&
		expect said '"check": "qmp"' && ask 5 doctor && expect said 'trouble  swap'
}

planning()
{
	ask 0 plan --json --size 64M && expect said '"guests": 1' && expect said '"fits":'
}

# The terminal of the virtual host is none, so top gets one of its own.
top_draws()
{
	ask 2 top && expect said 'wants a terminal'
}

unregistering()
{
	ask 0 unregister $$ unfold && expect [ ! -e "$me" ] && ask 1 unregister $$ &&
		expect said 'no VM with this id' && pf_unload && ask 3
}

subtests=(without_module registering settings figures_of_vms figures_of_module settings_of_module
	ranges_agree running targets following recording doctor planning top_draws unregistering)
plan ${#subtests[@]}
for subtest in "${subtests[@]}"; do
	"$subtest"
	result $? "$subtest"
done
rm -rf "$out"
finish
