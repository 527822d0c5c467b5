# SPDX-License-Identifier: GPL-2.0-only
# Turn rows "KERNEL RUN MEASURE PAGES UNIT ENGINE VALUE" and fold.goals (read first) into tables and plots.
#
# Prints two tables in Markdown, which a terminal shows as well: the goals, and all that was measured.
# json= gets the rows of both, plot= and growth= what gnuplot draws, table= the tables once more.
# Values are medians over the runs, and so is a ratio, of each run's own; each row names the command that
# measures it. Beside each ratio of counts stands that by the clock, which is not judged.

function median(list,	v, n, i, j, t)
{
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	if (!n)
		return ""
	return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
}

# How far apart the runs are, in percent of the median.
function spread(list,	v, n, i, low, high, m)
{
	n = split(list, v, " ")
	m = median(list)
	if (n < 2 || !m)
		return "-"
	low = high = v[1] + 0
	for (i = 2; i <= n; i++) {
		low = v[i] < low ? v[i] + 0 : low
		high = v[i] > high ? v[i] + 0 : high
	}
	return sprintf("%.1f %%", 100 * (high - low) / m)
}

function nr_runs(kernel, measure, pages, engine,	v)
{
	return split(got[kernel, measure, pages, engine], v, " ")
}

function value(kernel, measure, pages, engine)
{
	return median(got[kernel, measure, pages, engine])
}

# What one run measured, or where it did not the median of those that did.
function value_in(run, kernel, measure, pages, engine)
{
	if ((kernel, measure, pages, engine, run) in of_run)
		return of_run[kernel, measure, pages, engine, run]
	return value(kernel, measure, pages, engine)
}

# Ours divided by a figure of its own run, or the other way about where less is better: that of each run. Of what
# was run once that run says no more than all those of the other.
function ratios(kernel, ours, theirs, pages, their_pages, engine, less,	list, i, o, p)
{
	for (i = 1; i <= nr_of_runs; i++) {
		if (!((kernel, ours, pages, "pagefold", run_no[i]) in of_run))
			continue
		o = of_run[kernel, ours, pages, "pagefold", run_no[i]]
		if (nr_runs(kernel, ours, pages, "pagefold") > 1)
			p = value_in(run_no[i], kernel, theirs, their_pages, engine)
		else
			p = value(kernel, theirs, their_pages, engine)
		if (p != "" && (less ? o : p) > 0)
			list = list " " (less ? p / o : o / p)
	}
	return list
}

# What a peer had saved at most, in twentieths, when it had used as much CPU as ours had for 95 %.
function saved_by_then(kernel, case, pages, engine,	i, cpu, at)
{
	if (value(kernel, case "_to95", pages, "pagefold") == "" || value(kernel, case "_fold", pages, engine) == "")
		return ""
	cpu = value(kernel, case "_to95", pages, "pagefold")
	for (i = 1; i <= 20; i++)
		if ((at = value(kernel, case "_to" i * 5, pages, engine)) != "" && at <= cpu)
			continue
		else
			break
	return i < 20 ? i * 5 : 100
}

# What measures a figure once: scripts/bench-fold with this and the kernel. Holds of the lock have boots of their own.
function command_of(kernel, measure, pages,	case, letters)
{
	if (measure == "two_threads")
		return "--case threads"
	case = measure
	sub(/_.*/, "", case)
	if (measure ~ /_hold_/ && case != "latency")
		letters = "h"
	else
		letters = (value(kernel, measure, pages, "ksm_default") != "" ? "d" : "") \
			  (value(kernel, measure, pages, "ksm_tuned") != "" ? "t" : "") \
			  (value(kernel, measure, pages, "pagefold") != "" ? "p" : "")
	return (measure ~ /_clock$/ ? "--clock " : "") "--case " case ":" pages (letters != "" ? ":" letters : "")
}

# Of goals: with the figure that it is compared with, if that is one of our own
function goal_command(kernel, g,	peer, ours, theirs)
{
	ours = command_of(kernel, measure[g] ~ /_at_equal_cpu$/ ? first_part(measure[g]) "_to95" : measure[g], pages[g])
	if (peer_of[g] !~ /:/)
		return ours
	split(peer_of[g], peer, ":")
	theirs = command_of(kernel, peer[1], peer[2])
	return theirs == ours ? ours : ours " " theirs
}

function first_part(measure)
{
	sub(/_.*/, "", measure)
	return measure
}

function text(v)
{
	if (v == "")
		return "-"
	return v >= 1e6 ? sprintf("%.1f M", v / 1e6) : v >= 1000 ? sprintf("%.0f", v) : sprintf("%.2f", v)
}

# Near a limit of 1 the third digit decides.
function ratio_text(v)
{
	return v == "" || v >= 10 ? text(v) : sprintf("%.3f", v)
}

# What gnuplot takes for nothing
function point(v)
{
	return v == "" ? "-" : v
}

function number(v)
{
	return v == "" ? "null" : sprintf("%.4f", v)
}

function json_row(kernel, goal, measure, pages, unit, d, t, o, ratio, sense, limit, met, clock, command)
{
	printf "%s\n  {\"kernel\": \"%s\", \"goal\": \"%s\", \"workload\": \"%s\", \"measure\": \"%s\", \"pages\": %d, " \
	       "\"unit\": \"%s\", \"ksm_default\": %s, \"ksm_tuned\": %s, \"ours\": %s, \"ratio\": %s, " \
	       "\"sense\": %s, \"limit\": %s, \"met\": %s, " \
	       "\"ratio_by_clock\": %s, \"runs\": %d, \"spread_tuned\": \"%s\", \"spread\": \"%s\", " \
	       "\"command\": \"scripts/bench-fold %s %s\"}",
	       rows++ ? "," : "[", kernel, goal, first_part(measure), measure, pages, unit, number(d), number(t),
	       number(o), number(ratio), sense == "" ? "null" : "\"" sense "\"", number(limit), met, number(clock),
	       nr_runs(kernel, measure, pages, "pagefold"), spread(got[kernel, measure, pages, "ksm_tuned"]),
	       spread(got[kernel, measure, pages, "pagefold"]), command, kernel >json
}

# A ratio by the clock, and how far its runs are apart
function clock_text(list,	v, n, i, low, high)
{
	n = split(list, v, " ")
	if (!n)
		return "-"
	low = high = v[1] + 0
	for (i = 2; i <= n; i++) {
		low = v[i] < low ? v[i] + 0 : low
		high = v[i] > high ? v[i] + 0 : high
	}
	return ratio_text(median(list)) (n > 1 ? " (" ratio_text(low) " to " ratio_text(high) ")" : "")
}

function put(line)
{
	print line
	print line >table
}

function judge(kernel, g,	d, t, o, p, peer, part, ratio, limit, met, sign, shown, clock, command)
{
	command = goal_command(kernel, g)
	d = value(kernel, measure[g], pages[g], "ksm_default")
	t = value(kernel, measure[g], pages[g], "ksm_tuned")
	o = value(kernel, measure[g], pages[g], "pagefold")
	limit = bound[g]
	sign = sub(/^>/, "", limit) ? ">=" : "<="
	if (measure[g] ~ /_at_equal_cpu$/) {
		split(measure[g], part, "_")
		d = saved_by_then(kernel, part[1], pages[g], "ksm_default")
		t = saved_by_then(kernel, part[1], pages[g], "ksm_tuned")
		o = value(kernel, part[1] "_to95", pages[g], "pagefold") == "" ? "" : 95
		unit[measure[g]] = "%of_possible, KSM's at most"
		sign = ">="
		ratio = o == "" || t == "" ? "" : o / t
		shown = ratio == "" ? "" : "> " text(ratio)
	} else if (peer_of[g] ~ /^ksm/) {
		p = peer_of[g] == "ksm_tuned" ? t : d
		ratio = median(ratios(kernel, measure[g], measure[g], pages[g], pages[g], peer_of[g], sign == "<="))
		clock = ratios(kernel, measure[g] "_clock", measure[g] "_clock", pages[g], pages[g], peer_of[g],
			       sign == "<=")
		# Some of what the peer has none of is not so many times that: the pair itself is shown.
		shown = p == "0" && o > 0 ? text(o) " : 0" : ""
		sign = ">="
	} else if (peer_of[g] == "-") {
		ratio = o
	} else {
		split(peer_of[g], peer, ":")
		ratio = median(ratios(kernel, measure[g], peer[1], pages[g], peer[2], "pagefold"))
		clock = ratios(kernel, measure[g] "_clock", peer[1] "_clock", pages[g], peer[2], "pagefold")
	}
	if (ratio == "")
		met = shown == "" ? "null" : "true"
	else
		met = (sign == ">=" ? ratio >= limit + 0 : ratio <= limit + 0) ? "true" : "false"
	put(sprintf("| %s | %s | %s | %s%s | %s | %s | %s %s | %s | %s | %s | %s | `%s` |", what[g],
		    pages[g] ? pages[g] : "-", text(d), shown ~ /^>/ ? "< " : "", text(t), text(o),
		    shown == "" ? ratio_text(ratio) : shown, sign, limit,
		    met == "true" ? "yes" : met == "false" ? "**no**" : "not measured", clock_text(clock),
		    spread(got[kernel, measure[g], pages[g], "ksm_tuned"]),
		    spread(got[kernel, measure[g], pages[g], "pagefold"]), command))
	json_row(kernel, what[g], measure[g], pages[g], unit[measure[g]], d, t, o, ratio, sign, limit, met,
		 median(clock), command)
}

FNR == NR {
	if (/^#/ || NF < 5)
		next
	measure[++goals] = $1
	pages[goals] = $2
	peer_of[goals] = $3
	bound[goals] = $4
	$1 = $2 = $3 = $4 = ""
	sub(/^ +/, "")
	what[goals] = $0
	next
}

{
	if (!($1 in seen)) {
		seen[$1] = 1
		kernel[++kernels] = $1
	}
	key = $3 SUBSEP $4
	if (!(key in known)) {
		known[key] = 1
		order[++measures] = key
	}
	unit[$3] = $5
	got[$1, $3, $4, $6] = got[$1, $3, $4, $6] " " $7
	of_run[$1, $3, $4, $6, $2] = $7
	if (!($2 in is_run)) {
		is_run[$2] = 1
		run_no[++nr_of_runs] = $2
	}
}

END {
	for (k = 1; k <= kernels; k++) {
		K = kernel[k]
		put(sprintf("### Goals, kernel %s\n", K))
		put("| goal | pages | KSM default | KSM tuned | Pagefold | ratio | limit | met | by clock " \
		    "| spread, KSM tuned | spread, Pagefold | command: scripts/bench-fold … KERNEL |")
		put("|---|---|---|---|---|---|---|---|---|---|---|---|")
		for (g = 1; g <= goals; g++)
			judge(K, g)
		put("")
	}
	for (k = 1; k <= kernels; k++) {
		K = kernel[k]
		put(sprintf("### All figures, kernel %s\n", K))
		put("| measure | pages | unit | KSM default | KSM tuned | Pagefold | runs | spread, KSM tuned " \
		    "| spread, Pagefold | command: scripts/bench-fold … KERNEL |")
		put("|---|---|---|---|---|---|---|---|---|---|")
		for (i = 1; i <= measures; i++) {
			split(order[i], m, SUBSEP)
			if (m[1] ~ /_to[0-9]+$/ && m[1] !~ /_to(25|50|75|95)$/)
				continue
			command = command_of(K, m[1], m[2])
			d = value(K, m[1], m[2], "ksm_default")
			t = value(K, m[1], m[2], "ksm_tuned")
			o = value(K, m[1], m[2], "pagefold")
			if (d == "" && t == "" && o == "")
				continue
			put(sprintf("| %s | %d | %s | %s | %s | %s | %d/%d/%d | %s | %s | `%s` |", m[1], m[2], unit[m[1]],
				    text(d), text(t), text(o), nr_runs(K, m[1], m[2], "ksm_default"),
				    nr_runs(K, m[1], m[2], "ksm_tuned"), nr_runs(K, m[1], m[2], "pagefold"),
				    spread(got[K, m[1], m[2], "ksm_tuned"]),
				    spread(got[K, m[1], m[2], "pagefold"]), command))
			json_row(K, "", m[1], m[2], unit[m[1]], d, t, o, "", "", "", "null", "", command)
			if (unit[m[1]] == "instructions/page" && m[1] !~ /^advised/ &&
			    (m[2] == 32768 || m[1] ~ /^last8/))
				print K, m[1] (m[2] == 32768 ? "" : "/" m[2] / 1024 "k"), point(d), point(t), point(o) >plot
			if (m[1] == "unique_steady")
				print K, m[2], point(d), point(t), point(o) >growth
		}
		put("")
	}
	print "\n]" >json
}
