/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: one for each thing that changes. They tell counts, never an address.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pagefold_balloon

#if !defined(PB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PB_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(pagefold_balloon_target,
	TP_PROTO(unsigned long target, unsigned long held),
	TP_ARGS(target, held),
	TP_STRUCT__entry(
		__field(unsigned long, target)
		__field(unsigned long, held)
	),
	TP_fast_assign(
		__entry->target = target;
		__entry->held = held;
	),
	TP_printk("target=%lu held=%lu", __entry->target, __entry->held)
);

DECLARE_EVENT_CLASS(pagefold_balloon_batch,
	TP_PROTO(unsigned long pages, unsigned long held),
	TP_ARGS(pages, held),
	TP_STRUCT__entry(
		__field(unsigned long, pages)
		__field(unsigned long, held)
	),
	TP_fast_assign(
		__entry->pages = pages;
		__entry->held = held;
	),
	TP_printk("pages=%lu held=%lu", __entry->pages, __entry->held)
);

DEFINE_EVENT(pagefold_balloon_batch, pagefold_balloon_inflate,
	TP_PROTO(unsigned long pages, unsigned long held), TP_ARGS(pages, held));
DEFINE_EVENT(pagefold_balloon_batch, pagefold_balloon_deflate,
	TP_PROTO(unsigned long pages, unsigned long held), TP_ARGS(pages, held));
DEFINE_EVENT(pagefold_balloon_batch, pagefold_balloon_give_back,
	TP_PROTO(unsigned long pages, unsigned long held), TP_ARGS(pages, held));

TRACE_EVENT(pagefold_balloon_stop,
	TP_PROTO(int why, unsigned long held, unsigned int delay_ms),
	TP_ARGS(why, held, delay_ms),
	TP_STRUCT__entry(
		__field(int, why)
		__field(unsigned long, held)
		__field(unsigned int, delay_ms)
	),
	TP_fast_assign(
		__entry->why = why;
		__entry->held = held;
		__entry->delay_ms = delay_ms;
	),
	TP_printk("why=%d held=%lu delay_ms=%u", __entry->why, __entry->held, __entry->delay_ms)
);

TRACE_EVENT(pagefold_balloon_brake,
	TP_PROTO(unsigned long stalls, unsigned long swapins, unsigned long refaults,
		 unsigned long majors),
	TP_ARGS(stalls, swapins, refaults, majors),
	TP_STRUCT__entry(
		__field(unsigned long, stalls)
		__field(unsigned long, swapins)
		__field(unsigned long, refaults)
		__field(unsigned long, majors)
	),
	TP_fast_assign(
		__entry->stalls = stalls;
		__entry->swapins = swapins;
		__entry->refaults = refaults;
		__entry->majors = majors;
	),
	TP_printk("stalls/s=%lu swapins/s=%lu refaults/s=%lu majors/s=%lu", __entry->stalls,
		  __entry->swapins, __entry->refaults, __entry->majors)
);

TRACE_EVENT(pagefold_balloon_late,
	TP_PROTO(const char *queue, unsigned long seconds),
	TP_ARGS(queue, seconds),
	TP_STRUCT__entry(
		__array(char, queue, 16)
		__field(unsigned long, seconds)
	),
	TP_fast_assign(
		strscpy(__entry->queue, queue, sizeof(__entry->queue));
		__entry->seconds = seconds;
	),
	TP_printk("queue=%s seconds=%lu", __entry->queue, __entry->seconds)
);

#endif /* PB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
