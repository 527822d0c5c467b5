// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every VM used lately, as a bar of a few characters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define LEVELS	8

struct history_vm {
	int pid;
	unsigned int count;			/* of level[], up to HISTORY_SAMPLES */
	unsigned char level[HISTORY_SAMPLES];	/* 0 to LEVELS - 1, the latest last */
};

static const struct history_vm *find(const struct history *h, int pid)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->list[i].pid == pid)
			return &h->list[i];
	return NULL;
}

static unsigned char level_of(const struct vm *vm)
{
	uint64_t ram = vm->value[VM_ELIGIBLE], used = vm->value[VM_RESIDENT];

	if (!ram)
		return used ? LEVELS - 1 : 0;
	/* QEMU's own memory may be more than the guest leaves. */
	return used >= ram ? LEVELS - 1 : (unsigned __int128)used * LEVELS / ram;
}

int history_add(struct history *h, const struct vms *vms)
{
	struct history_vm *list = calloc(vms->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < vms->count; i++) {
		const struct history_vm *old = find(h, vms->list[i].pid);
		struct history_vm *one = &list[i];

		if (old)
			*one = *old;
		one->pid = vms->list[i].pid;
		if (one->count == HISTORY_SAMPLES)
			memmove(one->level, one->level + 1, --one->count);
		one->level[one->count++] = level_of(&vms->list[i]);
	}
	free(h->list);
	h->list = list;
	h->count = vms->count;
	return 0;
}

const char *history_bar(const struct history *h, int pid, bool utf8, char buf[HISTORY_TEXT_MAX])
{
	static const char * const blocks[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char plain[LEVELS] = "_.-=+*%#";
	const struct history_vm *one = find(h, pid);
	char *at = buf;

	for (unsigned int i = 0; one && i < one->count; i++)
		if (utf8)
			at = stpcpy(at, blocks[one->level[i]]);
		else
			*at++ = plain[one->level[i]];
	*at = '\0';
	return buf;
}

void history_free(struct history *h)
{
	free(h->list);
	*h = (struct history){ 0 };
}
