# SPDX-License-Identifier: GPL-2.0-only
# Turn rows "KERNEL RUN CASE UNIT ENGINE VALUE" into a table, into json= and into plot=.
#
# A cost is better when it is lower, a rate when it is higher. The ratio says how many times better
# Pagefold is than the better of KSM's two settings; below 1 it is worse.

function text(v)
{
	if (v == "")
		return "-"
	return v >= 1000 ? sprintf("%.0f", v) : sprintf("%.2f", v)
}

function number(v)
{
	return v == "" ? "null" : sprintf("%.4f", v)
}

# Value of one run; run 0: the mean of all there are.
function value(row, engine, run,	r, n, sum)
{
	if (run)
		return got[row, engine, run]
	for (r = 1; r <= runs; r++) {
		if (got[row, engine, r] == "")
			continue
		sum += got[row, engine, r]
		n++
	}
	return n ? sum / n : ""
}

function ratio(row, run,	a, b, p)
{
	a = value(row, "ksm_default", run)
	b = value(row, "ksm_tuned", run)
	p = value(row, "pagefold", run)
	if (a == "" || b == "" || p == "")
		return ""
	if (unit[row] ~ /\/s$/)
		return a > b ? p / a : p / b
	if (!(p > 0))
		return ""
	return a < b ? a / p : b / p
}

{
	row = $1 SUBSEP $3
	if (!(row in unit)) {
		order[++rows] = row
		kernel[row] = $1
		name[row] = $3
		unit[row] = $4
	}
	got[row, $5, $2] = $6
	if ($2 > runs)
		runs = $2
}

END {
	print "[" >json
	for (i = 1; i <= rows; i++) {
		row = order[i]
		if (kernel[row] != last)
			printf "%skernel %s\n%-15s %-18s %3s %12s %12s %12s %7s\n", last ? "\n" : "", kernel[row],
			       "case", "unit", "run", "ksm default", "ksm tuned", "pagefold", "ratio"
		last = kernel[row]
		for (r = 1; r <= runs; r++)
			printf "%-15s %-18s %3d %12s %12s %12s %7s\n", r == 1 ? name[row] : "",
			       r == 1 ? unit[row] : "", r, text(value(row, "ksm_default", r)),
			       text(value(row, "ksm_tuned", r)), text(value(row, "pagefold", r)),
			       text(ratio(row, r))
		printf "  {\"kernel\": \"%s\", \"case\": \"%s\", \"unit\": \"%s\", ", kernel[row], name[row],
		       unit[row] >json
		printf "\"ksm_default\": %s, \"ksm_tuned\": %s, \"pagefold\": %s, \"ratio\": %s}%s\n",
		       number(value(row, "ksm_default", 0)), number(value(row, "ksm_tuned", 0)),
		       number(value(row, "pagefold", 0)), number(ratio(row, 0)), i < rows ? "," : "" >json
		if (unit[row] == "instructions/page")
			printf "%s %s %s %s %s\n", kernel[row], name[row], text(value(row, "ksm_default", 0)),
			       text(value(row, "ksm_tuned", 0)), text(value(row, "pagefold", 0)) >plot
	}
	print "]" >json
}
