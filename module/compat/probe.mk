# SPDX-License-Identifier: GPL-2.0-only
# One line asks the headers of the kernel one question; compat.h is the only reader of the answers. A
# parenthesis would end the call, so a name ends with "\>" instead.
pf-has = $(if $(shell grep -lsE '$(2)' $(addprefix $(srctree)/include/linux/,$(1)) | head -n 1),-DPF_HAVE_$(3))

# 6.4, 5e31275cc997: writers of a VMA take its own lock as well.
pf-probes += $(call pf-has,mm.h mmap_lock.h,void vma_start_write\>,VMA_START_WRITE)
# 7.x: which may be waited for until a fatal signal; before 6.15 the lock is one that can be taken so.
pf-probes += $(call pf-has,mmap_lock.h,int vma_start_write_killable\>,VMA_START_WRITE_KILLABLE)
pf-probes += $(call pf-has,mm_types.h,struct vma_lock \*vm_lock,VMA_LOCK)
# 6.15: readers of a VMA are counted.
pf-probes += $(call pf-has,mm_types.h,refcount_t vm_refcnt,VMA_REFCNT)
# 6.3, bc292ab00f6c: flags of a VMA change through modifiers.
pf-probes += $(call pf-has,mm.h,void vm_flags_clear\>,VM_FLAGS_CLEAR)
# 6.2, f1a7941243c1: RSS counters of an mm are per-CPU counters.
pf-probes += $(call pf-has,mm_types.h,percpu_counter[[:space:]]+rss_stat,PERCPU_RSS)
# 6.2, 8d6a0ac09a16: an unsharing fault copies any page of a private mapping, not only anonymous ones.
pf-probes += $(call pf-has,mm_types.h,unsharing request to break COW,UNSHARE_ANY)
# 6.7, c42d50aefd17: shrinkers are allocated by the core.
pf-probes += $(call pf-has,shrinker.h,shrinker_alloc\>,SHRINKER_ALLOC)
# 6.18: the unbound workqueue of the system has another name.
pf-probes += $(call pf-has,workqueue.h,system_dfl_wq,DFL_WQ)
# 6.19: swap entries of page tables are read as leaf entries.
pf-probes += $(call pf-has,leafops.h,softleaf_from_pte\>,SOFTLEAF)
# 7.x: pagevec.h is folio_batch.h.
pf-probes += $(call pf-has,folio_batch.h,struct folio_batch \{,FOLIO_BATCH_H)
# 6.5, ca5e863233e8: get_user_pages_remote() no longer returns VMAs.
pf-probes += $(call pf-has,mm.h,struct vm_area_struct \*\*vmas,GUP_VMAS)
