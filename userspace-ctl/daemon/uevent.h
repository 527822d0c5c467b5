/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM tells of a VM that begins.
 */
#ifndef PF_UEVENT_H
#define PF_UEVENT_H

#include <stddef.h>

/**
 * uevent_kvm_create() - whose VM begins
 * @text: the uevent, NUL-terminated texts
 * @len: its length; a NUL stands at @text[@len]
 *
 * Return: the thread that made it, 0 when the uevent is about anything else.
 */
int uevent_kvm_create(const char *text, size_t len);

#endif
