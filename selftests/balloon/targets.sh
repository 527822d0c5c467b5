#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The balloon goes where it is told, the host's memory follows, and every page comes back.
#
# One boot; the device is plugged anew where other features are wanted, so that plugging is tested all along.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=1024

probe()
{
	keep_books && plug free-page-reporting=on && load && actual && expect [ "$value" = $MIB ]
}

# Smaller ones would take the host's huge pages apart. The core keeps the first order that it is given. On 7.x 0
# is an order too, so only there this has been seen to fail; before, it leaves the choice to the core.
reports_are_pageblocks()
{
	local order

	number_of 'Page block order' /proc/pagetypeinfo && order=$value && note "order $order" &&
		must ask get /sys/module/page_reporting/parameters/page_reporting_order &&
		expect [ "$answer" = "$order" ]
}

inflate_frees_host_memory()
{
	must ask touch 600 && go_to 400 || return 1
	note "host: $((rss / 1024)) MiB at 400"
	[ -z "$ours" ] || in_large_blocks
}

# Nearly all of it as huge pages of the host or larger.
in_large_blocks()
{
	local large

	attribute held/order9_pages && large=$value && attribute held/order10_pages && large=$((large + value)) &&
		attribute actual_pages && note "in blocks of 2 MiB and more: $large of $value pages" &&
		expect [ $((large * 10)) -ge $((value * 9)) ]
}

# Pages are flagged one by one; the device has not offered to give any back, so MemTotal does without them.
each_page_is_counted()
{
	local held=$(((MIB - 500) * 256))

	offline_is $held && number_of MemTotal /proc/meminfo && expect [ "$value" = $((total - held * 4)) ]
}

actual_is_true()
{
	resident
	[ -z "$ours" ] || { attribute actual_pages && expect [ "$value" = $(((MIB - 400) * 256)) ]; } || return 1
	go_to 500 && actual && expect [ "$value" = 500 ]
}

many_targets()
{
	local t

	for t in 900 300 640 450 1000 333 1024 400; do
		go_to $t || return 1
	done
}

deflated_memory_is_usable()
{
	go_to $MIB && must ask hold 500 7 && must ask verify && note "$answer" &&
		expect [ "${answer##*wrong=}" = 0 ] && must ask drop && whole
}

mode_is_visible()
{
	attribute mode && expect [ "$value" = report ]
}

# Every file has its entry in the document, and every entry its file.
attributes_are_documented()
{
	local abi=$PF_TOP/virtio-balloon-guest/Documentation/ABI/testing/sysfs-driver-pagefold_balloon

	must ask sh "cd $device && find . -maxdepth 2 -type f | grep -v -E '^./(power/|(uevent|modalias|features|device|vendor|status)\$)'" ||
		return 1
	diff <(tr '\t' '\n' <<<"$answer" | sed 's,^\./,,; s,order[0-9]*_,orderK_,' | sort -u) \
		<(awk '/^What:/ { sub(/.*\/virtioN\//, ""); name = $0; rows = 0 }
			/^What:|virtioN/ { next }
			name == "counters/" && /^\t\t===/ { rows = !rows; next }
			name == "counters/" && rows { print name $1 }
			name != "counters/" && name { print name; name = "" }' "$abi" | sort -u) | sed 's/^/# /'
	[ "${PIPESTATUS[0]}" = 0 ]
}

# The same for tracepoints, which stand in the man page.
tracepoints_are_documented()
{
	local man=$PF_TOP/virtio-balloon-guest/Documentation/pagefold_balloon.4

	must ask sh 'ls -d /sys/kernel/tracing/events/pagefold_balloon/*/' || return 1
	diff <(tr '\t' '\n' <<<"$answer" | sed 's,/$,,; s,.*/,,' | sort) \
		<(sed -n '/^\.SH TRACEPOINTS/,/^\.SH FILES/s/^\.B \(pagefold_balloon_[a-z_]*\)$/\1/p' "$man" | sort) |
		sed 's/^/# /'
	[ "${PIPESTATUS[0]}" = 0 ]
}

# Each line of the specification names tests that are there and run, or says why there is none.
conformance_is_tested()
{
	local line text word script names n=0 bad=0

	while IFS=$'\t' read -r line text; do
		n=$((n + 1)) names=0 script=''
		[[ $text != 'no test:'* ]] || continue
		for word in ${text//[,;]/ }; do
			case $word in
			*:)	script=${word%:} ;;
			*_*)	names=$((names + 1))
				is_test "$script" "$word" || { note "$line: $script has no $word"; bad=1; } ;;
			esac
		done
		[ $names -gt 0 ] || { note "$line names no test: $text"; bad=1; }
	done < <(awk -F'|' '/^\| C[0-9]+ / { if (line) print line "\t" text; line = $2; text = "" }
		/^\+/ && line { print line "\t" text; line = "" }
		/^\|/ && line { text = text " " $5; gsub(/ +/, " ", text); sub(/^ /, "", text); gsub(/ /, "", line) }' \
		"$PF_TOP/virtio-balloon-guest/Documentation/PROTOCOL.rst")
	expect [ $n = 32 ] && [ $bad = 0 ]
}

# is_test SCRIPT NAME: a subtest that is listed, or a row of the benchmark.
is_test()
{
	if [ "$1" = bench-balloon ]; then
		grep -q -w "row $2" "$PF_TOP/scripts/bench-balloon"
	else
		grep -q "^$2()" "$PF_TOP/selftests/balloon/$1.sh" &&
			sed -n '/subtests+\{0,1\}=(/,/)/p' "$PF_TOP/selftests/balloon/$1.sh" | grep -q -w "$2"
	fi
}

# What the administrator of the guest keeps for it, and what is no size.
min_bytes_is_kept()
{
	local bad

	for bad in x -1 ' 1' 0x10 1k 18446744073709551616; do
		ask set "$device/min_bytes" "$bad" && { note "takes '$bad'"; return 1; }
	done
	attribute min_bytes && expect [ "$value" = 0 ] && go_to $MIB &&
		must ask set "$device/min_bytes" $((700 << 20)) && target 300 && until_true stopped &&
		until_settled actual && note "stays at $last MiB" && expect [ "$last" -ge 700 ] &&
		expect [ "$last" -le 800 ] && attribute stop_reason && expect [ "$value" = floor ] &&
		until_true achieved_is_actual &&
		must ask set "$device/min_bytes" 0 && until_true actual_is 300 && go_to $MIB
}

# Both move while a target is tried again.
achieved_is_actual()
{
	attribute achieved_pages && last=$value && actual && [ $(((MIB * 256 - last) / 256)) = "$value" ]
}

# Pages that have gone to the host so far, into $value; only our driver counts them.
inflated()
{
	local blocks

	[ -n "$ours" ] || { value=0; return; }
	attribute counters/inflate_block_pages && blocks=$value && attribute counters/inflate_page_pages &&
		value=$((value + blocks))
}

# A target that is withdrawn at once must not be carried out first: what goes for it all the same is counted. This
# machine may be slow to withdraw it. That not even a batch goes is seen where the device waits for us, see hostile.
retarget_is_prompt()
{
	local i before n=10 all

	all=$((n * (960 - 320) * 256))
	go_to 960 && inflated && before=$value || return 1
	for ((i = 0; i < n; i++)); do
		target 320 && target 960 && until_true actual_is 960 || return 1
	done
	go_to $MIB && inflated || return 1
	note "of $all pages that were withdrawn $((value - before)) went"
	expect [ $(((value - before) * 10)) -le $((all * 3)) ]
}

# A thousand targets, contents held meanwhile, and the books balance at the end.
storm()
{
	local i n=$((1000 * PF_SCALE))

	RANDOM=2468
	must ask hold 100 11 || return 1
	for ((i = 0; i < n; i++)); do
		target $((350 + RANDOM % (MIB - 350))) || return 1
	done
	go_to $MIB && must ask verify && expect [ "${answer##*wrong=}" = 0 ] && must ask drop && whole
}

# Twice, or a buffer that is not queued again would go unseen (C16).
statistics()
{
	local first tag

	must qmp qom-set \
		'{"path":"/machine/peripheral/balloon0","property":"guest-stats-polling-interval","value":1}' || return 1
	until_true newer_than 0 && first=$value && until_true newer_than "$first" || return 1
	for tag in $TAGS; do
		stat_of ".stats[\"stat-$tag\"]"
		expect [ "$value" -lt $((1 << 50)) ] 2>/dev/null || { note "stat-$tag: $value"; return 1; }
	done
	stat_of '.stats["stat-total-memory"]' && expect [ $((value / 1024)) = "$total" ] || return 1
	stat_of '.stats["stat-free-memory"]' && expect [ $((value >> 20)) -ge $((free - 128)) ] || return 1
	must qmp qom-set \
		'{"path":"/machine/peripheral/balloon0","property":"guest-stats-polling-interval","value":0}'
}

# All memory but a byte: the guest keeps what it needs, says why, and lives.
absurd_target_stops_at_floor()
{
	must qmp balloon '{"value":1}' && until_true stopped && actual && last=$value || return 1
	note "at the floor: $last MiB"
	# Which moves with what the guest uses.
	attribute floor_bytes && note "floor: $((value >> 20)) MiB" &&
		expect [ $((last + SLACK)) -ge $((value >> 20)) ] || return 1
	must ask touch 20 && go_to $MIB && whole
}

# What cannot be had is asked for ever more rarely.
unreachable_target_costs_little()
{
	must ask hold 500 5 && target 300 && until_true stopped && until_settled actual || return 1
	note "unreachable: asked for 300, stays at $last MiB"
	attribute counters/retries && until_true counter_at_least retries $((value + 2)) || return 1
	# A virtual CPU that has to wait for a real one seems to work meanwhile: the best of some counts.
	costs_little || costs_little || costs_little || costs_little || costs_little || costs_little || return 1
	must ask verify && expect [ "${answer##*wrong=}" = 0 ] && must ask drop && go_to $MIB && whole
}

# Below a thousandth of a CPU in 20 s of the guest's time, of all work that is our driver's.
costs_little()
{
	local trace=/sys/kernel/tracing began took tries

	must ask sh "echo >$trace/trace; cd $trace/events/workqueue &&
		echo 1 >workqueue_execute_start/enable && echo 1 >workqueue_execute_end/enable" && uptime_of && began=$value &&
		attribute counters/retries && tries=$value && guest_lives 2000 &&
		uptime_of && took=$((value - began)) && attribute counters/retries && tries=$((value - tries)) &&
		worked_us || return 1
	note "in $took ticks: $tries tries, $value us of work, $((value * 10 / took)) thousandths of a per cent"
	expect [ $tries -le 8 ] && expect [ "$value" -gt 0 ] && expect [ $((value / took)) -le 10 ]
}

# From the beginning to the end of each work, in microseconds.
# shellcheck disable=SC2016  # for the guest to expand
worked_us()
{
	must ask sh 'awk "/execute_(start|end): .*function pb_/ {
		for (i = 1; i <= NF; i++) if (\$i ~ /^[0-9]+[.][0-9]+:\$/) t = \$i + 0;
		if (/execute_start/) s = t; else sum += t - s
	} END { printf \"%d\", sum * 1000000 }" /sys/kernel/tracing/trace' && value=$answer
}

# In the middle: pages have gone, the target is not reached. Slowly, which is through the inflate queue; it
# may be over between two looks all the same.
under_way()
{
	local i goal=$(((MIB - 300) * 256))

	for i in 1 2 3 4 5; do
		target 300 || return 1
		while actual_pages; do
			[ "$value" -lt $goal ] || break
			[ "$value" = 0 ] || { note "in the middle: $value of $goal pages"; return 0; }
		done
		go_to $MIB || return 1
	done
	note 'it was never seen in the middle'
	return 1
}

actual_pages()
{
	if [ -n "$ours" ]; then
		attribute actual_pages
	else
		actual && value=$(((MIB - value) * 256))
	fi
}

unload_in_the_middle()
{
	unplug && plug free-page-reporting=off && until_true bound && under_way && unload && whole && load &&
		until_true actual_is 300 && go_to $MIB
}

unbind_in_the_middle()
{
	local driver

	must ask sh "readlink -f $device/driver" && driver=$answer && under_way &&
		must ask set "$driver/unbind" "${device##*/}" && whole && must ask set "$driver/bind" "${device##*/}" &&
		until_true bound && until_true actual_is 300 && go_to $MIB
}

unplug_in_the_middle()
{
	under_way && unplug && whole
}

# All but the sleep itself is done.
sleep_a_second()
{
	must ask set /sys/power/pm_test devices && must ask set /sys/module/suspend/parameters/pm_test_delay 1 &&
		must ask set /sys/power/state freeze
}

# A reset by the system that sleeps, and what it had when it wakes.
sleeps_and_wakes()
{
	plug free-page-reporting=on && until_true bound && must ask hold 100 13 && go_to 500 && sleep_a_second &&
		must ask sh 'dmesg | grep -c "suspend debug: Waiting"' && until_true actual_is 500 && must ask verify &&
		expect [ "${answer##*wrong=}" = 0 ] && must ask drop && go_to $MIB && whole
}

# The same while it inflates, which may be over by then: hostile has a device that sees to it that it is not.
sleeps_in_the_middle()
{
	unplug && plug free-page-reporting=off && until_true bound && under_way && sleep_a_second &&
		until_true actual_is 300 && go_to $MIB && whole
}

# Both drivers are there; the device is of the one that has it, and changes hands by hand.
beside_the_other()
{
	local other=virtio_balloon name=${device##*/} d=/sys/bus/virtio/drivers

	must ask insmod $other && must ask get "$device/uevent" && [[ $answer == *DRIVER=pagefold_balloon* ]] &&
		go_to 500 && must ask set $d/pagefold_balloon/unbind "$name" && whole &&
		must ask set $d/$other/bind "$name" && until_true bound && target 500 && until_true actual_is 500 &&
		must ask set $d/$other/unbind "$name" && whole && must ask set $d/pagefold_balloon/bind "$name" &&
		until_true bound && until_true actual_is 500 && must ask rmmod $other && go_to $MIB && unplug && whole
}

# The device stays with the driver that has it; and without one, it is of the next that comes.
first_come_first_served()
{
	local other=virtio_balloon

	unload && must ask insmod $other && plug free-page-reporting=on && until_true bound &&
		must ask insmod "$(driver_module)" && must ask get "$device/uevent" &&
		[[ $answer == *DRIVER=virtio_balloon* ]] && unload && must ask rmmod $other && load && go_to 500 &&
		must ask get "$device/uevent" && [[ $answer == *DRIVER=pagefold_balloon* ]] && go_to $MIB &&
		whole
}

# That of the PCI device below is about the transport: with none there is no virtio device, and so no balloon.
transport_is_overridden()
{
	must ask sh "cd -P $device/.. && echo \$PWD" || return 1
	local pci=$answer name=${answer##*/}

	must ask set "$pci/driver_override" nobody && must ask set "$pci/driver/unbind" "$name" && whole &&
		must ask sh "echo $name >/sys/bus/pci/drivers_probe; [ ! -e $pci/driver ]" && expect unbound &&
		must ask sh "echo >$pci/driver_override; echo $name >/sys/bus/pci/drivers_probe" && until_true bound &&
		go_to 500 && go_to $MIB && unplug && whole
}

# Whoever asks for the kernel's driver gets ours, and the kernel's if ours cannot be loaded.
modprobe_prefers_ours()
{
	local answer root=$PF_BUILD/kernels/$KERNEL/root

	[ -d "$root/lib/modules" ] || root=$root/usr
	answer=$(/sbin/modprobe -d "$(readlink -f "$root")" -S "$(<"$PF_BUILD/kernels/$KERNEL/release")" \
		-C "$PF_TOP/virtio-balloon-guest/modprobe.d" -n -v virtio_balloon 2>&1)
	note "$answer"
	[[ $answer == *'install '*' pagefold_balloon || '*' virtio_balloon'* ]]
}

# Addresses that are not the guest's own are none that this driver could give: such a device is left alone.
access_platform_is_refused()
{
	{ qmp query-balloon && unplug; } || :
	must qmp device_add '{"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.0","iommu_platform":true,
		"disable-legacy":"on"}' && until_true refused && expect unbound && unplug && whole
}

refused()
{
	ask sh "dmesg | grep 'device refuses features'" && [ -n "$answer" ]
}

unbound()
{
	! bound
}

# The guest's own free memory, no target at all.
free_memory_is_reported()
{
	{ qmp query-balloon && unplug; } || :
	plug free-page-reporting=on && until_true bound && reports_are_pageblocks && must ask touch 500 || return 1
	resident
	note "host: $((rss / 1024)) MiB after touching 500"
	until_true resident_at_most 400
}

without_reporting()
{
	unplug && plug free-page-reporting=off && until_true bound && must ask touch 600 && go_to 400 && go_to 700 &&
		go_to 350 || return 1
	[ -z "$ours" ] || { attribute mode && expect [ "$value" = inflate ]; } || return 1
	go_to $MIB && whole && retarget_is_prompt
}

console_is_clean()
{
	console_clean
}

# The system goes down with all that the balloon has; nothing is given back for that, and nothing waited for.
goes_down_in_the_middle()
{
	under_way && send sh 'reboot -f' && until_true is_down && console_clean
}

is_down()
{
	! alive
}

subtests=(probe reports_are_pageblocks inflate_frees_host_memory actual_is_true each_page_is_counted many_targets
	deflated_memory_is_usable)
[ -z "$ours" ] || subtests+=(mode_is_visible attributes_are_documented tracepoints_are_documented
	conformance_is_tested min_bytes_is_kept)
subtests+=(retarget_is_prompt storm statistics)
# In-tree the guest panics of the first, and may hang of the second.
[ -z "$ours" ] || subtests+=(absurd_target_stops_at_floor unreachable_target_costs_little)
subtests+=(unload_in_the_middle unbind_in_the_middle unplug_in_the_middle sleeps_and_wakes sleeps_in_the_middle)
[ -z "$ours" ] || subtests+=(beside_the_other first_come_first_served transport_is_overridden modprobe_prefers_ours access_platform_is_refused)
subtests+=(free_memory_is_reported without_reporting console_is_clean goes_down_in_the_middle)
[ $# = 0 ] || subtests=("$@")
boot targets $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
run_subtests "${subtests[@]}"
