# SPDX-License-Identifier: GPL-2.0-only
# Rows "kernel init_on_alloc mode case unit driver value" to a table, JSON (json=) and data to plot (plot=).
#
# The median of a driver's values counts. The ratio is how many times better ours is: of rates and of what is
# kept ours/stock, of costs stock/ours.

function median(key,	n, i, j, t, v)
{
	n = split(got[key], v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return n ? v[int((n + 1) / 2)] : ""
}

function ratio(stock, ours, better_more)
{
	if (stock == "" || ours == "")
		return ""
	if (better_more)
		return stock > 0 ? ours / stock : ""
	return ours > 0 ? stock / ours : ""
}

function number(v)
{
	return v == "" ? "null" : sprintf("%.3f", v)
}

{
	row = $1 " " $2 " " $3 " " $4 " " $5
	if (!(row in known)) {
		known[row] = 1
		order[++rows] = row
	}
	got[row, $6] = got[row, $6] " " $7
}

END {
	print "[" >json
	for (i = 1; i <= rows; i++) {
		split(order[i], f, " ")
		if (f[1] f[2] f[3] != last)
			printf "%skernel %s, init_on_alloc=%s, %s\n%-24s %-10s %12s %12s %9s\n", last ? "\n" : "",
			       f[1], f[2], f[3], "case", "unit", "stock", "ours", "ratio"
		last = f[1] f[2] f[3]
		stock = median(order[i] SUBSEP "stock")
		ours = median(order[i] SUBSEP "ours")
		r = ratio(stock, ours, f[5] == "GiB/s" || f[4] == "huge_pages_kept")
		printf "%-24s %-10s %12.2f %12.2f %9s\n", f[4], f[5], stock, ours, r == "" ? "-" : sprintf("%.2f", r)
		printf "  {\"kernel\": \"%s\", \"init_on_alloc\": %s, \"mode\": \"%s\", \"case\": \"%s\", ", f[1], f[2],
		       f[3], f[4] >json
		printf "\"unit\": \"%s\", \"stock\": %s, \"ours\": %s, \"ratio\": %s}%s\n", f[5], number(stock),
		       number(ours), number(r), i < rows ? "," : "" >json
		if (f[5] == "GiB/s")
			printf "\"%s %s, init=%s: %s\" %s %s\n", f[1], f[3], f[2], f[4], stock, ours >plot
	}
	print "]" >json
}
