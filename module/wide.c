// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole pages compared with the widest registers that this CPU and this kernel have.
 *
 * The only file that uses the FPU. All 4096 bytes of a page are compared before it is folded, and
 * most of them before that too: with general registers half of what a fold costs the module. 32
 * bytes at a time take a quarter of the instructions.
 *
 * The registers are ours between kernel_fpu_begin() and kernel_fpu_end(), for few pages at a time:
 * meanwhile this CPU is not preempted. Where they may not be used, because the CPU has none, the
 * kernel does not keep them, or something on this CPU has them, the loops of hash.h do the work.
 */
#include <linux/cache.h>
#include <linux/init.h>

#include "wide.h"

#ifdef __x86_64__
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

#define PF_WIDE_BYTES	256

/* Kernel code is compiled without these registers, and may then not even name them as clobbered. */
#ifdef __SSE__
#define PF_WIDE_CLOBBERS	"cc", "xmm0", "xmm1", "xmm2", "xmm3"
#else
#define PF_WIDE_CLOBBERS	"cc"
#endif

/* A page as an operand: all of its bytes are read. */
#define PF_WIDE_PAGE(data)	(*(const u8 (*)[PF_PAGE_BYTES])(data))

static bool pf_wide_there __ro_after_init;

/**
 * pf_wide_init() - find out which registers there are
 */
void __init pf_wide_init(void)
{
	pf_wide_there = boot_cpu_has(X86_FEATURE_AVX) && boot_cpu_has(X86_FEATURE_AVX2) &&
			cpu_has_xfeatures(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM, NULL);
}

/**
 * pf_wide_begin() - have the registers for some pages
 *
 * Context: not in a hard interrupt. Does not sleep until pf_wide_end(); nobody else here may have
 * them meanwhile.
 * Return: whether they may be used here, for the functions below.
 */
bool pf_wide_begin(void)
{
	if (!pf_wide_there || !irq_fpu_usable())
		return false;
	kernel_fpu_begin();
	return true;
}

/**
 * pf_wide_end() - give the registers back
 * @wide: what pf_wide_begin() said
 */
void pf_wide_end(bool wide)
{
	if (wide)
		kernel_fpu_end();
}

/* The first byte of the 256 in which two pages differ; PF_PAGE_BYTES if they are equal. */
static unsigned long pf_avx2_differ(const void *a, const void *b)
{
	unsigned long at = 0;

	asm volatile("1:\n\t"
		     "vmovdqu 0x00(%[a],%[at]), %%ymm0\n\t"
		     "vmovdqu 0x20(%[a],%[at]), %%ymm1\n\t"
		     "vmovdqu 0x40(%[a],%[at]), %%ymm2\n\t"
		     "vmovdqu 0x60(%[a],%[at]), %%ymm3\n\t"
		     "vpxor 0x00(%[b],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpxor 0x20(%[b],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpxor 0x40(%[b],%[at]), %%ymm2, %%ymm2\n\t"
		     "vpxor 0x60(%[b],%[at]), %%ymm3, %%ymm3\n\t"
		     "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
		     "vpor %%ymm3, %%ymm2, %%ymm2\n\t"
		     "vpor %%ymm2, %%ymm0, %%ymm0\n\t"
		     "vmovdqu 0x80(%[a],%[at]), %%ymm1\n\t"
		     "vmovdqu 0xa0(%[a],%[at]), %%ymm2\n\t"
		     "vmovdqu 0xc0(%[a],%[at]), %%ymm3\n\t"
		     "vpxor 0x80(%[b],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpxor 0xa0(%[b],%[at]), %%ymm2, %%ymm2\n\t"
		     "vpxor 0xc0(%[b],%[at]), %%ymm3, %%ymm3\n\t"
		     "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
		     "vmovdqu 0xe0(%[a],%[at]), %%ymm1\n\t"
		     "vpxor 0xe0(%[b],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor %%ymm3, %%ymm2, %%ymm2\n\t"
		     "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
		     "vpor %%ymm2, %%ymm0, %%ymm0\n\t"
		     "vptest %%ymm0, %%ymm0\n\t"
		     "jnz 2f\n\t"
		     "add %[block], %[at]\n\t"
		     "cmp %[bytes], %[at]\n\t"
		     "jb 1b\n"
		     "2:\n\t"
		     "vzeroupper"
		     : [at] "+&r" (at)
		     : [a] "r" (a), [b] "r" (b), [block] "i" (PF_WIDE_BYTES),
		       [bytes] "i" (PF_PAGE_BYTES), "m" (PF_WIDE_PAGE(a)), "m" (PF_WIDE_PAGE(b))
		     : PF_WIDE_CLOBBERS);
	return at;
}

/* The first byte of the 512 in which a page is not zero; PF_PAGE_BYTES if it is. */
static unsigned long pf_avx2_nonzero(const void *data)
{
	unsigned long at = 0;

	asm volatile("1:\n\t"
		     "vmovdqu 0x00(%[data],%[at]), %%ymm0\n\t"
		     "vmovdqu 0x20(%[data],%[at]), %%ymm1\n\t"
		     "vpor 0x040(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x060(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor 0x080(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x0a0(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor 0x0c0(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x0e0(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor 0x100(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x120(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor 0x140(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x160(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor 0x180(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x1a0(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor 0x1c0(%[data],%[at]), %%ymm0, %%ymm0\n\t"
		     "vpor 0x1e0(%[data],%[at]), %%ymm1, %%ymm1\n\t"
		     "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
		     "vptest %%ymm0, %%ymm0\n\t"
		     "jnz 2f\n\t"
		     "add %[block], %[at]\n\t"
		     "cmp %[bytes], %[at]\n\t"
		     "jb 1b\n"
		     "2:\n\t"
		     "vzeroupper"
		     : [at] "+&r" (at)
		     : [data] "r" (data), [block] "i" (2 * PF_WIDE_BYTES),
		       [bytes] "i" (PF_PAGE_BYTES), "m" (PF_WIDE_PAGE(data))
		     : PF_WIDE_CLOBBERS);
	return at;
}

/**
 * pf_wide_differ_with() - compare two pages, all 4096 bytes of them
 * @wide: what pf_wide_begin() said
 * @a: a page, aligned to 8 bytes
 * @b: another
 *
 * Return: the first line in which they differ; PF_PAGE_LINES if they are equal.
 */
unsigned int pf_wide_differ_with(bool wide, const void *a, const void *b)
{
	if (!wide)
		return pf_page_differ(a, b);
	return pf_page_differ_from(a, b, pf_avx2_differ(a, b) / PF_LINE_BYTES);
}

/**
 * pf_wide_is_zero_with() - are all 4096 bytes of a page zero
 * @wide: what pf_wide_begin() said
 * @data: the page, aligned to 8 bytes
 */
bool pf_wide_is_zero_with(bool wide, const void *data)
{
	return wide ? pf_avx2_nonzero(data) == PF_PAGE_BYTES : pf_page_is_zero(data);
}
#else
void __init pf_wide_init(void)
{
}

bool pf_wide_begin(void)
{
	return false;
}

void pf_wide_end(bool wide)
{
}

unsigned int pf_wide_differ_with(bool wide, const void *a, const void *b)
{
	return pf_page_differ(a, b);
}

bool pf_wide_is_zero_with(bool wide, const void *data)
{
	return pf_page_is_zero(data);
}
#endif

/**
 * pf_wide_differ() - compare two pages, all 4096 bytes of them
 * @a: a page, aligned to 8 bytes
 * @b: another
 *
 * Context: as pf_wide_begin().
 * Return: the first line in which they differ; PF_PAGE_LINES if they are equal.
 */
unsigned int pf_wide_differ(const void *a, const void *b)
{
	bool wide = pf_wide_begin();
	unsigned int line = pf_wide_differ_with(wide, a, b);

	pf_wide_end(wide);
	return line;
}

/**
 * pf_wide_is_zero() - are all 4096 bytes of a page zero
 * @data: the page, aligned to 8 bytes
 *
 * Most pages that are not zero say so in their first line.
 *
 * Context: as pf_wide_begin().
 */
bool pf_wide_is_zero(const void *data)
{
	bool wide, zero;

	if (!pf_line_is_zero(data))
		return false;
	wide = pf_wide_begin();
	zero = pf_wide_is_zero_with(wide, data);
	pf_wide_end(wide);
	return zero;
}
