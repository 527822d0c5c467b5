/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: one for each thing that changes. They tell counts, never an address or content of a
 * VM.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pagefold

#if !defined(PF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PF_TRACE_H

#include <linux/tracepoint.h>

#include "wss_est.h"

DECLARE_EVENT_CLASS(pagefold_frame,
	TP_PROTO(u32 domain),
	TP_ARGS(domain),
	TP_STRUCT__entry(
		__field(u32, domain)
	),
	TP_fast_assign(
		__entry->domain = domain;
	),
	TP_printk("domain=%u", __entry->domain)
);

DEFINE_EVENT(pagefold_frame, pagefold_frame_new, TP_PROTO(u32 domain), TP_ARGS(domain));
DEFINE_EVENT(pagefold_frame, pagefold_frame_free, TP_PROTO(u32 domain), TP_ARGS(domain));

DECLARE_EVENT_CLASS(pagefold_vm,
	TP_PROTO(pid_t pid, u64 pages),
	TP_ARGS(pid, pages),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, pages)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->pages = pages;
	),
	TP_printk("pid=%d pages=%llu", __entry->pid, __entry->pages)
);

DEFINE_EVENT(pagefold_vm, pagefold_vm_add, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));
DEFINE_EVENT(pagefold_vm, pagefold_vm_del, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));
DEFINE_EVENT(pagefold_vm, pagefold_vm_pass, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));
DEFINE_EVENT(pagefold_vm, pagefold_cow_break, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));
DEFINE_EVENT(pagefold_vm, pagefold_zero_break, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));
DEFINE_EVENT(pagefold_vm, pagefold_huge_split, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));
DEFINE_EVENT(pagefold_vm, pagefold_unfold, TP_PROTO(pid_t pid, u64 pages), TP_ARGS(pid, pages));

TRACE_EVENT(pagefold_vm_domain,
	TP_PROTO(pid_t pid, u32 domain),
	TP_ARGS(pid, domain),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u32, domain)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->domain = domain;
	),
	TP_printk("pid=%d domain=%u", __entry->pid, __entry->domain)
);

TRACE_EVENT(pagefold_wss,
	TP_PROTO(pid_t pid, const struct pf_wss_round *round, u64 busy_ns),
	TP_ARGS(pid, round, busy_ns),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, pages)
		__field(u32, sampled)
		__field(u32, touched)
		__field(u32, written)
		__field(u64, busy_ns)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->pages = round->pages;
		__entry->sampled = round->sampled;
		__entry->touched = round->touched;
		__entry->written = round->written;
		__entry->busy_ns = busy_ns;
	),
	TP_printk("pid=%d pages=%llu sampled=%u touched=%u written=%u busy_ns=%llu", __entry->pid,
		  __entry->pages, __entry->sampled, __entry->touched, __entry->written,
		  __entry->busy_ns)
);

TRACE_EVENT(pagefold_target,
	TP_PROTO(pid_t pid, u64 bytes, u64 usage_bytes),
	TP_ARGS(pid, bytes, usage_bytes),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, bytes)
		__field(u64, usage_bytes)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->bytes = bytes;
		__entry->usage_bytes = usage_bytes;
	),
	TP_printk("pid=%d bytes=%llu usage_bytes=%llu", __entry->pid, __entry->bytes,
		  __entry->usage_bytes)
);

TRACE_EVENT(pagefold_run,
	TP_PROTO(int run),
	TP_ARGS(run),
	TP_STRUCT__entry(
		__field(int, run)
	),
	TP_fast_assign(
		__entry->run = run;
	),
	TP_printk("run=%d", __entry->run)
);

TRACE_EVENT(pagefold_fold,
	TP_PROTO(pid_t pid, unsigned int folded, unsigned int zero, unsigned int skipped,
		 u64 hold_ns),
	TP_ARGS(pid, folded, zero, skipped, hold_ns),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(unsigned int, folded)
		__field(unsigned int, zero)
		__field(unsigned int, skipped)
		__field(u64, hold_ns)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->folded = folded;
		__entry->zero = zero;
		__entry->skipped = skipped;
		__entry->hold_ns = hold_ns;
	),
	TP_printk("pid=%d folded=%u zero=%u skipped=%u hold_ns=%llu", __entry->pid,
		  __entry->folded, __entry->zero, __entry->skipped, __entry->hold_ns)
);

#endif /* PF_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
