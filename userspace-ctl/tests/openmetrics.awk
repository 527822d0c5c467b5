# SPDX-License-Identifier: GPL-2.0-only
# Is this a valid exposition by OpenMetrics 1.0? Prints what is not and fails.
#
# Looked at: # EOF once and last, no empty line, names, one TYPE, UNIT and HELP a family and before its
# samples, the unit ends the name, families not interleaved, counters end in _total and are not
# negative, gauges have no suffix, states are named and 0 or 1, labels well formed, escaped and none twice, no series twice, numbers.
function bad(why)
{
	printf "line %d: %s: %s\n", NR, why, $0
	failed = 1
}

# Take {a="b",...} off the front of s. Returns the rest; sets labels, or bad.
function take_labels(s,    name, value, seen)
{
	delete seen
	labels = ""
	s = substr(s, 2)
	while (s !~ /^}/) {
		if (!match(s, /^[a-zA-Z_][a-zA-Z0-9_]*="/)) {
			bad("no label")
			return ""
		}
		name = substr(s, 1, RLENGTH - 2)
		s = substr(s, RLENGTH + 1)
		if (!match(s, /^([^"\\]|\\\\|\\"|\\n)*"/)) {
			bad("a label's value")
			return ""
		}
		value = substr(s, 1, RLENGTH - 1)
		s = substr(s, RLENGTH + 1)
		if (name in seen)
			bad("label twice: " name)
		seen[name] = 1
		labels = labels name "=" value ";"
		if (s ~ /^,/)
			s = substr(s, 2)
		else if (s !~ /^}/) {
			bad("no comma after a label")
			return ""
		}
	}
	return substr(s, 2)
}

function begin_family(name)
{
	if (name == family)
		return
	if (name in known)
		bad("family " name " comes twice or is interleaved")
	known[name] = 1
	family = name
	sampled = 0
}

function sample(    name, rest, suffix, of)
{
	match($0, /^[a-zA-Z_:][a-zA-Z0-9_:]*/)
	name = substr($0, 1, RLENGTH)
	rest = substr($0, RLENGTH + 1)
	if (RLENGTH < 1) {
		bad("no name")
		return
	}
	of = family
	suffix = substr(name, length(of) + 1)
	if (substr(name, 1, length(of)) != of || suffix != ((of in type) && type[of] == "counter" ? "_total" : ""))
		bad("is not of family " of)
	labels = ""
	if (rest ~ /^{/)
		rest = take_labels(rest)
	if (rest !~ /^ -?[0-9]+(\.[0-9]+)?$/)
		bad("no number")
	if ((of in type) && type[of] == "counter" && rest ~ /^ -/)
		bad("a negative counter")
	if ((of in type) && type[of] == "stateset" && (index(";" labels, ";" of "=") == 0 || rest !~ /^ [01]$/))
		bad("a state has the family\047s name as its label and 0 or 1 as its value")
	if ((name, labels) in series)
		bad("series twice")
	series[name, labels] = 1
	sampled = 1
	samples++
}

ended		{ bad("after # EOF") }
/^# EOF$/	{ ended = 1; next }
/^$/		{ bad("an empty line"); next }
/^# (TYPE|UNIT|HELP) / {
	begin_family($3)
	if (sampled)
		bad("metadata after samples")
	if (($2, $3) in said)
		bad($2 " twice")
	said[$2, $3] = 1
	if ($2 == "TYPE") {
		if ($4 !~ /^(counter|gauge|stateset)$/)
			bad("type")
		type[$3] = $4
	}
	if ($2 == "UNIT" && substr($3, length($3) - length($4)) != "_" $4)
		bad("the unit does not end the name")
	if ($2 == "HELP" && NF < 4)
		bad("help without text")
	next
}
/^#/		{ bad("neither TYPE, UNIT, HELP nor EOF"); next }
		{ sample() }
END {
	if (!ended) {
		print "no # EOF at the end"
		failed = 1
	}
	for (name in known)
		if (!(name in type)) {
			print "no TYPE for " name
			failed = 1
		}
	if (!samples) {
		print "no sample at all"
		failed = 1
	}
	exit failed
}
