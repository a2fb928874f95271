"""For tests only: the TLB, and who runs on a CPU, from Python. The product never imports it."""

from vmtool.mm._probe cimport Probe
from vmtool.mm.arena cimport cpu_mut, mm_at, mm_mut, rec_alloc, rec_at
from vmtool.mm.mmu cimport load_ttbr0
from vmtool.mm.mmu_context cimport asid_bits, asid_of, flush_tlb_mm, flush_tlb_range, switch_mm_context
from vmtool.mm.tlb cimport *
from vmtool.mm.types cimport *


cdef class TlbProbe(Probe):
    def tlb_stats(self):
        cdef cpu_t *c = cpu_mut(&self.a, self.a.cpu)
        return {"l1_hits": c.l1_hits, "l2_hits": c.l2_hits, "misses": c.misses, "walks": c.walks, "walk_reads": c.walk_reads,
                "evictions": c.evictions, "flushes_all": c.flushes_all, "flushes_page": c.flushes_page, "psc_hits": c.psc_hits}

    def tlb_entries(self):
        """(structure, set, way, virtual address, page shift) of the valid entries."""
        cdef cpu_t *c = cpu_mut(&self.a, self.a.cpu)
        cdef tlb_entry_t *e
        cdef uint32_t which
        cdef uint32_t at
        cdef uint32_t way
        out = []
        for n in range(c.nr_tlb):
            e = <tlb_entry_t *>rec_at(&self.a, POOL_TLB, c.tlb_base + n)
            if tlb_locate(&self.a, n, &which, &at, &way) and tlb_is_valid(c, e):
                out.append((tlb_name(which).decode(), at, way, (e.tag >> 1) << e.page_shift, e.page_shift))
        return out

    def tlbi(self, asid, addr=None, last_level=False):
        """ASIDE1 without an address, else VAE1 or VALE1."""
        cdef cpu_t *c = cpu_mut(&self.a, self.a.cpu)
        if addr is None:
            tlb_flush_pcid(&self.a, c, asid)
        else:
            tlb_flush_va(&self.a, c, addr, asid, last_level)

    def load_ttbr0(self, asid):
        load_ttbr0(&self.a, self.a.cpu, mm_at(&self.a, self.mm).pgd, asid)

    # --- address spaces -------------------------------------------------------------------------------------------
    def new_space(self):
        """One more, with the tables of the first."""
        cdef idx_t mm = rec_alloc(&self.a, POOL_MM)
        mm_mut(&self.a, mm).pgd = mm_at(&self.a, self.mm).pgd
        mm_mut(&self.a, mm).users = 1
        return mm

    def switch(self, mm, cpu=0):
        """(generation, ASID) that it has then."""
        switch_mm_context(&self.a, mm, cpu)
        cpu_mut(&self.a, cpu).active_mm = mm
        return mm_at(&self.a, mm).context_id >> asid_bits(self.a.m), asid_of(self.a.m, mm_at(&self.a, mm).context_id)

    def set_cpu(self, cpu):
        self.a.cpu = cpu

    def flush_mm(self, mm):
        flush_tlb_mm(&self.a, mm_mut(&self.a, mm))

    def flush_space(self, mm, start, end):
        flush_tlb_range(&self.a, mm_mut(&self.a, mm), start, end)
