# SPDX-License-Identifier: GPL-2.0-only
# Rates of both balloons: gnuplot -e "data='…'; out='…'" balloon.gp
set terminal svg size 1400, 620 font 'sans,12' background 'white'
set output out
set style data histogram
set style histogram cluster gap 1
set style fill solid 0.9 border -1
set boxwidth 0.9
set logscale y
set grid ytics
set ylabel 'GiB/s'
set title 'Resizing a guest: higher is better, logarithmic'
set key top right horizontal outside
set xtics rotate by -60 noenhanced scale 0
set bmargin 16
plot data using 2:xtic(1) title 'virtio\_balloon' linecolor rgb '#909090', \
     data using 3 title 'pagefold\_balloon' linecolor rgb '#2060c0'
