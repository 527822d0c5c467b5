/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every VM used lately, as a bar of a few characters.
 */
#ifndef PF_HISTORY_H
#define PF_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm.h"

#define HISTORY_SAMPLES	24
/* A character of a bar takes up to three bytes. */
#define HISTORY_TEXT_MAX (HISTORY_SAMPLES * 3 + 1)

struct history_vm;

/**
 * struct history - of all VMs
 * @list: by rising process id
 * @count: how many
 */
struct history {
	struct history_vm *list;
	size_t count;
};

/**
 * history_add() - take a reading; VMs that are gone are forgotten
 * @h: to this
 * @vms: the reading
 *
 * Return: 0 or -ENOMEM; then @h is as it was.
 */
int history_add(struct history *h, const struct vms *vms);

/**
 * history_bar() - a VM's bar, the latest to the right
 * @h: of this
 * @pid: of the VM
 * @utf8: whether blocks may be used; else ASCII
 * @buf: where it goes
 *
 * Each character is what was resident as a part of the VM's RAM.
 *
 * Return: @buf; empty for a VM that is not known.
 */
const char *history_bar(const struct history *h, int pid, bool utf8, char buf[HISTORY_TEXT_MAX]);

/**
 * history_free() - forget all
 * @h: it, empty afterwards
 */
void history_free(struct history *h);

#endif
