# SPDX-License-Identifier: GPL-2.0-only
# Instructions a page, one panel for each kernel: gnuplot -e "data='…'; growth='…'; out='…'; kernels='…';
# command='…'" fold.gp, into out.svg and out-growth.svg
set terminal svg size 1100, 420 * words(kernels) font 'sans,13' background 'white'
set output out.'.svg'
set style data histogram
set style histogram cluster gap 1
set style fill solid 0.9 border -1
set boxwidth 0.9
set logscale y
set yrange [10:*]
set grid ytics
set ylabel 'instructions per page'
set key top right horizontal outside
set xtics rotate by -25 noenhanced scale 0
set rmargin 12
set datafile missing '-'
set multiplot layout words(kernels), 1
do for [k in kernels] {
	set title 'kernel '.k.': lower is better, logarithmic ('.command.')' noenhanced
	rows = sprintf("< awk '$1 == \"%s\"' %s | sort -k2", k, data)
	plot rows using 3:xtic(2) title 'KSM, default' linecolor rgb '#b0b0b0', \
	     rows using 4 title 'KSM, tuned' linecolor rgb '#707070', \
	     rows using 5 title 'Pagefold' linecolor rgb '#2060c0'
}
unset multiplot

# What a steady pass costs a page as memory grows
reset
set terminal svg size 800, 420 font 'sans,13' background 'white'
set output out.'-growth.svg'
set logscale xy
set grid
set xlabel 'pages'
set ylabel 'instructions per page of a steady pass'
set key outside
set datafile missing '-'
K = word(kernels, 1)
rows = sprintf("< awk '$1 == \"%s\"' %s | sort -n -k2", K, growth)
set title 'unique data, kernel '.K.': lower is better ('.command.')' noenhanced
plot rows using 2:3 with linespoints linewidth 2 title 'KSM, default', \
     rows using 2:4 with linespoints linewidth 2 title 'KSM, tuned', \
     rows using 2:5 with linespoints linewidth 2 title 'Pagefold'
