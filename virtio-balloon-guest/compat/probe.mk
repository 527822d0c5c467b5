# SPDX-License-Identifier: GPL-2.0-only
# One line asks the headers of the kernel one question; compat.h is the only reader of the answers. A
# parenthesis would end the call, so a name ends with "\>" instead.
pb-has = $(if $(shell grep -lsE '$(2)' $(addprefix $(srctree)/include/linux/,$(1)) | head -n 1),-DPB_HAVE_$(3))

# 6.11, c502eb85c34e: queues are described by struct virtqueue_info.
pb-probes += $(call pb-has,virtio_config.h,^struct virtqueue_info\>,VIRTQUEUE_INFO)
# 6.8, 5e0a760b4441: the greatest order is MAX_PAGE_ORDER, and MAX_ORDER is gone.
pb-probes += $(call pb-has,mmzone.h,define MAX_PAGE_ORDER\>,MAX_PAGE_ORDER)
# 6.19: balloon pages migrate without the driver's help, and linux/balloon.h replaces balloon_compaction.h.
pb-probes += $(call pb-has,balloon.h,adjust_managed_page_count;,BALLOON_H)
# 6.1.160, 6.12.64, 6.17: a balloon page that moved is taken off its list by the core.
pb-probes += $(call pb-has,balloon_compaction.h,balloon_page_finalize\>,BALLOON_FINALIZE)
# 7.0: what reclaim scans and steals is counted per node.
pb-probes += $(call pb-has,mmzone.h,^[[:space:]]+PGSTEAL_KSWAPD\>,PGSTEAL_NODE)
# 6.7, c42d50aefd17: shrinkers are allocated by the core.
pb-probes += $(call pb-has,shrinker.h,shrinker_alloc\>,SHRINKER_ALLOC)
# 7.2: a report of free pages may be shorter than the core's own limit.
pb-probes += $(call pb-has,page_reporting.h,^[[:space:]]+unsigned int capacity;,REPORTING_CAPACITY)
# After 6.12: ballooned pages are counted per node.
pb-probes += $(call pb-has,mmzone.h,^[[:space:]]+NR_BALLOON_PAGES\>,BALLOON_NODE)
