# SPDX-License-Identifier: GPL-2.0-only
# Turn balloon.goals (read first) and rows "KERNEL INIT MODE CASE UNIT DRIVER VALUE" into tables and plots.
#
# Prints two tables in Markdown, which a terminal shows as well: the goals, and all that was measured; table= gets
# them too, json= the rows, plot= and loss= what gnuplot draws. Of a driver's rates and costs of CPU time the best
# counts, which others on the machine disturbed least; of all else the median. The ratio is how many times better
# ours is: of rates and of what is kept ours/stock, of costs stock/ours. What a workload loses is how far its best
# window with a resize is below the best of all without one. That means nothing below what the best two of those
# differ by: there is no ratio then, but a reason.

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

# What counts of a list of figures of @unit.
function figure(unit, list,	v, n, i, best)
{
	if (unit != "GiB/s" && unit != "us/GiB" && unit != "CPU")
		return median(list)
	n = split(list, v, " ")
	best = n ? v[1] + 0 : ""
	for (i = 2; i <= n; i++)
		if (unit != "us/GiB" ? v[i] + 0 > best : v[i] + 0 < best)
			best = v[i] + 0
	return best
}

function is_loss(case)
{
	return case ~ /^stream_loss_/
}

# What is lost by nothing.
function noise(kernel, init, mode, case,	key)
{
	sub(/loss/, "noise", case)
	key = kernel " " init " " mode " " case " %"
	return got[key, "ours"] + 0
}

# The next of this configuration's rows.
function add(row)
{
	if (!(row in known)) {
		known[row] = 1
		order[++rows] = row
	}
}

# What is lost, and the noise, of each figure that a workload has in @where's windows.
function lose(where, what,	unit, peace, list, v, n, i, best, second, seen_best)
{
	unit = what == "ran" ? "CPU" : "GiB/s"
	peace = where " stream_peace_" what " " unit
	list = got[peace, "stock"] got[peace, "ours"]
	best = figure(unit, list)
	if (best <= 0)
		return
	n = split(list, v, " ")
	for (i = 1; i <= n; i++) {
		if (v[i] + 0 == best && !seen_best++)
			continue
		if (v[i] + 0 > second)
			second = v[i] + 0
	}
	put_loss(where, what, unit, "stock", best)
	put_loss(where, what, unit, "ours", best)
	got[where " stream_noise_" what " %", "ours"] = 100 * (1 - second / best)
	add(where " stream_noise_" what " %")
}

function put_loss(where, what, unit, driver, best,	resize, loss)
{
	resize = where " stream_resize_" what " " unit
	loss = where " stream_loss_" what " %"
	if (got[resize, driver] == "")
		return
	got[loss, driver] = 100 * (1 - figure(unit, got[resize, driver]) / best)
	add(loss)
}

# Sets stock, ours, ratio, reason, least: the ratio is at least that, even where it has no figure.
function weigh(row,	f, n)
{
	split(row, f, " ")
	stock = figure(f[5], got[row, "stock"])
	ours = figure(f[5], got[row, "ours"])
	ratio = reason = least = ""
	if (f[4] ~ /^allocate_/) {
		reason = "the kernel alone, without a balloon"
	} else if (stock == "" || ours == "") {
		reason = "not measured"
	} else if (is_loss(f[4])) {
		n = noise(f[1], f[2], f[3], f[4]) + 0
		if (ours > n && ours > 0) {
			ratio = stock / ours
		} else {
			least = stock / (n > 0.01 ? n : 0.01)
			reason = sprintf("ours is no more than windows without a resize differ by, %.2f %%", n)
		}
	} else if (f[5] == "GiB/s" || f[4] ~ /_(kept|freed)$/) {
		if (stock > 0)
			ratio = ours / stock
		else
			reason = "the in-tree driver's is 0"
	} else if (ours > 0) {
		ratio = stock / ours
	} else {
		reason = "ours is 0"
	}
	if (ratio != "")
		least = ratio
}

function text(v)
{
	return v == "" ? "-" : v >= 10000 || v <= -10000 ? sprintf("%.0f", v) : sprintf("%.2f", v)
}

function number(v)
{
	return v == "" ? "null" : sprintf("%.3f", v)
}

function put(line)
{
	print line
	print line >table
}

function ratio_text()
{
	return ratio != "" ? text(ratio) : is_loss(what_case) && least != "" ? "(" text(least) ")" : "-"
}

function judge(kernel, g,	row, limit, own, met, i)
{
	for (i = 1; i <= rows; i++)
		if (index(order[i], kernel " " init[g] " " mode[g] " " case_of[g] " ") == 1)
			row = order[i]
	what_case = case_of[g]
	limit = bound[g]
	own = sub(/^>/, "", limit)
	if (row == "")
		stock = ours = ratio = least = ""
	else
		weigh(row)
	met = own ? ours : least
	met = met == "" ? "not measured" : met >= limit + 0 ? "yes" : ratio == "" && !own ? "within noise" : "**no**"
	put(sprintf("| %s | %s, %s | %s | %s | %s | >= %s%s | %s |", what[g], init[g], mode[g], text(stock), text(ours),
		    ratio_text(), limit, own ? " %" : "", met))
}

# One line of the table and what belongs to it elsewhere.
function tell(row,	f)
{
	split(row, f, " ")
	what_case = f[4]
	weigh(row)
	if (f[4] ~ /^stream_noise_/)
		reason = "what the best two windows without a resize differ by"
	if (f[4] ~ /^stream_(noise|peace)_/)
		ratio = ""
	if (f[4] ~ /^stream_peace_/)
		reason = "no driver does anything"
	put(sprintf("| %s | %s | %s | %s | %s |", f[4], f[5], text(stock), text(ours), ratio_text()))
	printf "%s  {\"kernel\": \"%s\", \"init_on_alloc\": %s, \"mode\": \"%s\", \"case\": \"%s\", ",
	       (told++ ? ",\n" : ""), f[1], f[2], f[3], f[4] >json
	printf "\"unit\": \"%s\", \"stock\": %s, \"ours\": %s, \"ratio\": %s, \"reason\": %s}", f[5], number(stock),
	       number(ours), number(ratio), reason == "" ? "null" : "\"" reason "\"" >json
	if (stock == "" || ours == "")
		return
	if (f[5] == "GiB/s" && f[4] !~ /^stream_/)
		printf "\"%s %s, init=%s: %s\" %s %s\n", f[1], f[3], f[2], f[4], stock, ours >plot
	if (is_loss(f[4]))
		printf "\"%s %s, init=%s: %s\" %s %s\n", f[1], f[3], f[2], substr(f[4], 13), stock, ours >loss
}

FNR == NR {
	if (/^#/ || NF < 5)
		next
	case_of[++goals] = $1
	init[goals] = $2
	mode[goals] = $3
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
	if (!($1 " " $2 " " $3 in known)) {
		known[$1 " " $2 " " $3] = 1
		configuration[++configurations] = $1 " " $2 " " $3
	}
	row = $1 " " $2 " " $3 " " $4 " " $5
	add(row)
	got[row, $6] = got[row, $6] " " $7
}

END {
	wanted = split("counted_mean counted_p50 counted_p5 counted_p1 ran mean p50 p5 p1", figures, " ")
	for (c = 1; c <= configurations; c++)
		for (i = 1; i <= wanted; i++)
			lose(configuration[c], figures[i])
	print "[" >json
	printf "" >plot
	printf "" >loss
	for (k = 1; k <= kernels; k++) {
		put(sprintf("### Balloon, goals, kernel %s\n", kernel[k]))
		put("| goal | init_on_alloc, mode | virtio_balloon | pagefold_balloon | ratio | limit | met |")
		put("|---|---|---|---|---|---|---|")
		for (g = 1; g <= goals; g++)
			judge(kernel[k], g)
		put("")
	}
	put("A ratio in brackets is a lower bound: what ours costs there is within the noise.\n")
	for (c = 1; c <= configurations; c++) {
		split(configuration[c], f, " ")
		put(sprintf("%s### Balloon, kernel %s, init_on_alloc=%s, %s\n", c > 1 ? "\n" : "", f[1], f[2], f[3]))
		put("| case | unit | virtio_balloon | pagefold_balloon | ratio |")
		put("|---|---|---|---|---|")
		for (i = 1; i <= rows; i++)
			if (index(order[i], configuration[c] " ") == 1)
				tell(order[i])
	}
	print "\n]" >json
}
