/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Figures in OpenMetrics' text format.
 */
#ifndef PF_METRICS_H
#define PF_METRICS_H

#include <stdio.h>

#include "vm.h"

/**
 * metrics_print() - print all figures, ended by # EOF
 * @host: the module's
 * @vms: the VMs'
 * @to: where to
 *
 * A caller that has figures of its own prints them with metrics_families() before.
 *
 * Return: 0 or -errno.
 */
int metrics_print(const struct host *host, const struct vms *vms, FILE *to);

/**
 * metrics_families() - print all figures without the end
 * @host: the module's
 * @vms: the VMs'
 * @to: where to
 */
void metrics_families(const struct host *host, const struct vms *vms, FILE *to);

#endif
