# SPDX-License-Identifier: GPL-2.0-only
# Which functions a phase's instructions went to: lines "ADDRESS 0 NAME" and "ADDRESS 1 COUNT", sorted, into a
# table. Names of the module begin with "pagefold:"; pages= is what the counts are divided by.

$2 == 0 { name = $3; next }

{
	count[name] += $3
	sum += $3
	if (name ~ /^pagefold:/)
		ours += $3
}

END {
	printf "| instructions/page | share | function |\n|---|---|---|\n"
	printf "| %.1f | 100.0 %% | all, with what watches |\n", sum / pages
	printf "| %.1f | %.1f %% | of it the module itself |\n", ours / pages, 100 * ours / sum
	sort = "sort -t '|' -k 2,2 -rn"
	fflush()
	for (name in count)
		if (count[name] * 400 > sum)
			printf "| %.1f | %.1f %% | %s |\n", count[name] / pages, 100 * count[name] / sum, name | sort
	close(sort)
}
