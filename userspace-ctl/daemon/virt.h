/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests whose monitor is libvirt's: spoken to through libvirt.
 */
#ifndef PF_VIRT_H
#define PF_VIRT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"
#include "qmp.h"

struct virt;
struct virt_vm;

#ifdef HAVE_LIBVIRT

/**
 * virt_new() - get ready to speak with libvirt
 * @sysroot: what stands before /run
 *
 * Neither the library nor libvirtd is touched before there is a VM that needs them.
 *
 * Return: it, or NULL without memory.
 */
struct virt *virt_new(const char *sysroot);

/**
 * virt_free() - end it
 * @v: it, or NULL; its VMs are gone
 *
 * Who waits for libvirt is not waited for: what he uses stays until the process ends.
 */
void virt_free(struct virt *v);

/**
 * virt_poll() - to be called in each round: see to it that nobody waits behind a VM that hangs
 * @v: it, or NULL
 * @uri: where libvirt is, valid as the configuration checks it
 * @now_ms: clock_ms()
 */
void virt_poll(struct virt *v, const char *uri, uint64_t now_ms);

/**
 * virt_vm_new() - begin to look after a VM
 * @v: it, or NULL
 * @pid: the VM's process
 * @uuid: what that says its domain is; it is not believed, see virt.c
 *
 * Return: it, or NULL without memory.
 */
struct virt_vm *virt_vm_new(struct virt *v, int pid, const char *uuid);

/**
 * virt_vm_free() - look after a VM no longer
 * @vm: it, or NULL
 */
void virt_vm_free(struct virt_vm *vm);

/**
 * virt_vm_look() - what is known
 * @vm: the VM
 * @f: filled
 * @why: filled on failure
 *
 * Return: 0, -EAGAIN before the first answer, or another error when there is none (any more).
 */
int virt_vm_look(struct virt_vm *vm, struct qmp_facts *f, struct err *why);

/*
 * As qmp_set_balloon() and so on. A wish is lost when libvirt fails, as it is with a connection to a
 * monitor; but whether the VM is to be paused is kept.
 */
void virt_vm_set_balloon(struct virt_vm *vm, uint64_t bytes);
void virt_vm_set_paused(struct virt_vm *vm, bool paused);
void virt_vm_doubt_paused(struct virt_vm *vm);
bool virt_vm_is_running(struct virt_vm *vm);
bool virt_vm_balloon_is_settled(struct virt_vm *vm);
void virt_vm_set_quit(struct virt_vm *vm, bool quit);

#else

/* A build without libvirt: nobody is there, so nothing is asked of him. */
static inline struct virt *virt_new(const char *sysroot)
{
	(void)sysroot;
	return NULL;
}

static inline struct virt_vm *virt_vm_new(struct virt *v, int pid, const char *uuid)
{
	(void)v;
	(void)pid;
	(void)uuid;
	return NULL;
}

static inline int virt_vm_look(struct virt_vm *vm, struct qmp_facts *f, struct err *why)
{
	(void)vm;
	(void)f;
	(void)why;
	return -EAGAIN;
}

static inline void virt_free(struct virt *v) { (void)v; }
static inline void virt_poll(struct virt *v, const char *uri, uint64_t now_ms)
{
	(void)v;
	(void)uri;
	(void)now_ms;
}

static inline void virt_vm_free(struct virt_vm *vm) { (void)vm; }
static inline void virt_vm_set_balloon(struct virt_vm *vm, uint64_t bytes)
{
	(void)vm;
	(void)bytes;
}

static inline void virt_vm_set_paused(struct virt_vm *vm, bool paused)
{
	(void)vm;
	(void)paused;
}

static inline void virt_vm_doubt_paused(struct virt_vm *vm) { (void)vm; }
static inline bool virt_vm_is_running(struct virt_vm *vm)
{
	(void)vm;
	return false;
}

static inline bool virt_vm_balloon_is_settled(struct virt_vm *vm)
{
	(void)vm;
	return true;
}

static inline void virt_vm_set_quit(struct virt_vm *vm, bool quit)
{
	(void)vm;
	(void)quit;
}

#endif
#endif
