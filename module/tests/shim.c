// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the stand-in headers that need a place: memory and its account, local mappings, wide registers. */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/slab.h>

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

static void *accounted(void *memory)
{
	if (!memory)
		return NULL;
	shim_memory.bytes += malloc_usable_size(memory);
	shim_memory.peak = max(shim_memory.peak, shim_memory.bytes);
	return memory;
}

/*
 * Like the kernel's since 5.15 it gives no more than INT_MAX bytes: who wants more must say so by
 * calling vmalloc's family. Aligned to a cache line, and with nothing behind the end that a
 * sanitizer would let pass.
 */
void *kvcalloc(size_t count, size_t size, gfp_t flags)
{
	size_t bytes;
	void *memory;

	must_not_wait("kvcalloc");
	shim_memory.killers += !(flags & __GFP_RETRY_MAYFAIL);
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > INT_MAX)
		return NULL;
	if (posix_memalign(&memory, CACHE_LINE, bytes))
		return NULL;
	return accounted(memset(memory, 0, bytes));
}

void kvfree(const void *memory)
{
	must_not_wait("kvfree");
	shim_memory.bytes -= malloc_usable_size((void *)memory);
	free((void *)memory);
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
