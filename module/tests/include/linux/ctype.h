/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: as there, for any char. */
#ifndef SHIM_LINUX_CTYPE_H
#define SHIM_LINUX_CTYPE_H

#include <linux/types.h>

static inline bool isdigit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool isalnum(int c)
{
	return isdigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif /* SHIM_LINUX_CTYPE_H */
