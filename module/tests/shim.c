// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the stand-in headers that need a place: memory and its account, local mappings, wide registers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define CACHE_LINE	64

struct shim_memory shim_memory;
int shim_writers;
struct shim_kmap shim_kmap;
bool shim_cpu_is_plain;
struct shim_fpu shim_fpu = { .kept = XFEATURE_MASK_SSE | XFEATURE_MASK_YMM };

static void must_not_wait(const char *what)
{
	if (!shim_writers)
		return;
	fprintf(stderr, "%s with a lock held for writing\n", what);
	abort();
}

/*
 * Zeroes, aligned to a cache line, and with nothing behind the end that a sanitizer would let pass;
 * the line before them notes what the kernel's allocator would have taken.
 */
static void *give(size_t bytes, size_t taken, gfp_t flags)
{
	char *memory;

	shim_memory.killers += !(flags & __GFP_NORETRY);
	if (posix_memalign((void **)&memory, CACHE_LINE, CACHE_LINE + bytes))
		return NULL;
	memset(memory, 0, CACHE_LINE + bytes);
	*(size_t *)memory = taken;
	shim_memory.bytes += taken;
	shim_memory.peak = max(shim_memory.peak, shim_memory.bytes);
	return memory + CACHE_LINE;
}

/* Powers of two; beyond a page the kernel takes as many pages. */
size_t kmalloc_size_roundup(size_t bytes)
{
	size_t taken = bytes ? 8 : 0;

	while (taken < bytes)
		taken *= 2;
	return taken;
}

void *kzalloc(size_t bytes, gfp_t flags)
{
	must_not_wait("kzalloc");
	return give(bytes, kmalloc_size_roundup(bytes), flags);
}

/* For each page a pointer to it, and an entry of a page table. */
static size_t in_pages(size_t bytes, size_t unit)
{
	return round_up(bytes, unit) / PAGE_SIZE * (PAGE_SIZE + 16);
}

void *__vmalloc(size_t bytes, gfp_t flags)
{
	must_not_wait("__vmalloc");
	return give(bytes, in_pages(bytes, PAGE_SIZE), flags);
}

void *vmalloc_huge(size_t bytes, gfp_t flags)
{
	must_not_wait("vmalloc_huge");
	return give(bytes, in_pages(bytes, bytes < PMD_SIZE ? PAGE_SIZE : PMD_SIZE), flags);
}

void kvfree(const void *memory)
{
	char *begin;

	must_not_wait("kvfree");
	if (!memory)
		return;
	begin = (char *)memory - CACHE_LINE;
	shim_memory.bytes -= *(size_t *)begin;
	free(begin);
}

void shim_kmap_wrong(const char *what)
{
	fprintf(stderr, "kmap: %s\n", what);
	abort();
}

static void fpu_wrong(const char *what)
{
	fprintf(stderr, "fpu: %s\n", what);
	abort();
}

void kernel_fpu_begin(void)
{
	if (shim_fpu.taken || shim_fpu.ours)
		fpu_wrong("asked for registers that somebody has");
	shim_fpu.ours = true;
	shim_fpu.begun++;
}

void kernel_fpu_end(void)
{
	if (!shim_fpu.ours)
		fpu_wrong("gave back what it did not have");
	shim_fpu.ours = false;
}
