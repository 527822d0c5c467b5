# SPDX-License-Identifier: GPL-2.0-only
# Both balloons: gnuplot -e "rates='…'; loss='…'; out='…'" balloon.gp draws OUT.svg and OUT-loss.svg
set terminal svg size 1400, 620 font 'sans,12' background 'white'
set style data histogram
set style histogram cluster gap 1
set style fill solid 0.9 border -1
set boxwidth 0.9
set grid ytics
set key top right horizontal outside
set xtics rotate by -60 noenhanced scale 0
set bmargin 16

set output out.'.svg'
set logscale y
set ylabel 'GiB/s'
set title 'Resizing a guest: higher is better, logarithmic'
plot rates using 2:xtic(1) title 'virtio\_balloon' linecolor rgb '#909090', \
     rates using 3 title 'pagefold\_balloon' linecolor rgb '#2060c0'

set output out.'-loss.svg'
unset logscale y
set yrange [*<0:100]
set ylabel '% of its bandwidth'
set title 'What a workload loses while its guest is resized, by percentile of its time: lower is better'
plot loss using 2:xtic(1) title 'virtio\_balloon' linecolor rgb '#909090', \
     loss using 3 title 'pagefold\_balloon' linecolor rgb '#2060c0'
