/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name. */
#ifndef SHIM_LINUX_MATH_H
#define SHIM_LINUX_MATH_H

/* The largest number whose square is not above @x, bit by bit. */
static inline unsigned long int_sqrt(unsigned long x)
{
	unsigned long root = 0, bit;

	for (bit = 1UL << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= x)
			root |= bit;
	return root;
}

#endif /* SHIM_LINUX_MATH_H */
