/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: code that begins stays. */
#ifndef SHIM_LINUX_INIT_H
#define SHIM_LINUX_INIT_H

#define __init

#endif /* SHIM_LINUX_INIT_H */
