/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /etc/pagefold/register.conf, what guests get that register themselves.
 */
#ifndef PF_CONFIG_H
#define PF_CONFIG_H

#include <stddef.h>

#include "registration.h"

#define CONFIG_PATH	"/etc/pagefold/register.conf"
#define CONFIG_MAX	16384

/*
 * Take the @len bytes at @text (changed in place, @text[@len] must be writable) into @r.
 * Return: EX_DONE, or EX_BAD_INPUT with line and reason in @e.
 */
int config_parse(char *text, size_t len, struct registration *r, struct err *e);

/* Read the file; a file that is not there leaves @r as it is. */
int config_read(const char *path, struct registration *r, struct err *e);

#endif
