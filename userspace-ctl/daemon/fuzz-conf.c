// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer: a configuration of any content is taken within its ranges, or refused with its name and a
 * reason.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct conf c;
	struct err e;

	memcpy(text, data, size);
	text[size] = '\0';
	conf_default(&c);
	e.text[0] = '\0';
	if (conf_parse(&c, "file", text, size, size & 1, &e) && strncmp(e.text, "file:", 5))
		abort();
	if (c.vm.shares < 1 || c.vm.shares > 10000 || c.idle_tax_percent > 99 ||
	    c.interval_ms < 200)
		abort();
	free(text);
	return 0;
}
