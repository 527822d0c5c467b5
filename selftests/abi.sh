#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every file in the live tree is documented, every documented file is there, with the mode it should have.
. "$(dirname "$0")/lib.sh"

document=$here/sysfs-kernel-pagefold
[ -e "$document" ] || skip_all 'no ABI document'

# "MODE PATH" of every entry of the document, relative to the top, without the top itself.
documented()
{
	awk '
	$1 == "What:" { path = $2; sub("^/sys/kernel/pagefold/", "", path); sub("/$", "", path)
			if (path != "") { seen[path] = "none"; entry[++n] = path } }
	$1 == "Mode:" { for (; n; n--) seen[entry[n]] = $2 }
	END { for (path in seen) print seen[path], path }' "$document" | sort -k 2
}

live()
{
	(cd "$PF_SYS" && find . -mindepth 1 -exec stat -c '%a %n' {} +) |
		sed -E -e 's, \./, ,' -e 's,vms/[0-9]+,vms/<pid>,' -e 's,^([0-7]{3}) ,0\1 ,' | sort -k 2 -u
}

# Entries of the debug build are documented for it alone.
for_this_build()
{
	if [ -d "$PF_SYS/debug" ]; then
		cat
	else
		grep -v -E ' debug(/|$)'
	fi
}

# Lines of $1 that are not in $2. The virtual host has no comm.
only_in()
{
	grep -v -x -F -f "$2" "$1" | tr '\n' ' '
}

plan 4
pf_load || { result 1 load; finish; }
pf_set register "$$ name=abi"
documented | for_this_build >/tmp/documented
live >/tmp/live
note "$(wc -l </tmp/live) entries, $(wc -l </tmp/documented) documented"
[ "$(wc -l </tmp/live)" -gt 60 ]
result $? 'the tree is there'
cut -d' ' -f2 /tmp/documented >/tmp/documented.names
cut -d' ' -f2 /tmp/live >/tmp/live.names
undocumented=$(only_in /tmp/live.names /tmp/documented.names)
[ -z "$undocumented" ]
result $? "all live files are documented${undocumented:+, but: $undocumented}"
missing=$(only_in /tmp/documented.names /tmp/live.names)
[ -z "$missing" ]
result $? "all documented files are there${missing:+, but: $missing}"
grep -v '^none' /tmp/documented >/tmp/documented.modes
modes=$(only_in /tmp/documented.modes /tmp/live)
[ -z "$modes" ]
result $? "modes are as documented${modes:+, but: $modes}"
pf_set unregister "$$"
pf_unload
finish
