/* SPDX-License-Identifier: GPL-2.0-only */
/* Read what users write to sysfs: exactly, or not at all. */
#ifndef PF_PARSE_H
#define PF_PARSE_H

#include <linux/types.h>

#include "config.h"

int pf_parse_uint(const char *buf, size_t len, unsigned int min, unsigned int max,
		  unsigned int *value);
int pf_parse_name(const char *buf, size_t len, char name[PF_NAME_MAX]);
int pf_parse_policy(const char *buf, size_t len, enum pf_policy *policy);
int pf_parse_register(const char *buf, size_t len, struct pf_vm_config *config);
int pf_parse_unregister(const char *buf, size_t len, pid_t *pid, bool *unfold);

#endif /* PF_PARSE_H */
