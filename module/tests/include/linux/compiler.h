/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: accesses that the compiler may neither split nor repeat. */
#ifndef SHIM_LINUX_COMPILER_H
#define SHIM_LINUX_COMPILER_H

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

#define smp_store_release(p, value)	__atomic_store_n(p, value, __ATOMIC_RELEASE)

#endif /* SHIM_LINUX_COMPILER_H */
