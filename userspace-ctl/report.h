/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page of a record: self-contained HTML, timelines as SVG, no script.
 */
#ifndef PF_REPORT_H
#define PF_REPORT_H

#include <stdio.h>

#include "timeline.h"

/**
 * report_print() - print the page
 * @t: of this record
 * @to: where to
 *
 * The same record gives the same bytes: no clock is asked, times are UTC.
 *
 * Return: 0 or -errno.
 */
int report_print(const struct timeline *t, FILE *to);

#endif
