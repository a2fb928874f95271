"""The TLB as the manuals tell it, written to be read: what each access hits, from nothing but the trace and the text of --tlb.

Intel SDM volume 3, 5.10 (TLBs, paging-structure caches, invalidation); Arm ARM, D8.13 (ASIDs, the contiguous hint) and D8.14 (TLBI); the
structures' sizes from the manuals that vmtool/mm/tlb_spec.pyx names. One CPU. A slot of a set is a list [page or None, age, is it valid,
is it dirty]; a page is (address >> shift, shift, PCID or ASID). A write through an entry that is not dirty is no hit: the processor walks,
to set D in the table.

An access is told with the size of what maps it: a page, or the block that the contiguous hint makes of some. A structure that names the
sizes it holds takes the largest part of that, another one takes the page.
"""

M = 0xFFFFFFFFFFFFFFFF
PRESETS = {
    "": "l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12",
    "skylake": "l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12,l21g=16x4",
    "icelake": "l1d=64x4,l1d2m=32x4,l1d1g=8x8,l1i=128x8,l1i2m=16x8,l2=2048x16,l21g=1024x8",
    "zen2": "l1d=64x64:all,l1i=64x64:all,l2=2048x16:4K+2M,l2i=512x8:4K+2M",
    "zen4": "l1d=72x72:all,l1i=64x64:all,l2=3072x24:4K+2M,l2i=512x8:4K+2M",
    "cortex-a72": "l1d=32x32:4K+64K+1M,l1i=48x48:4K+64K+1M,l2=1024x4:4K+64K+1M+2M+16M+512M+1G",
    "neoverse-n1": "l1d=48x48:4K+16K+64K+2M+512M,l1i=48x48:4K+16K+64K+2M+32M,l2=1280x5:4K+16K+64K+2M+32M+512M+1G",
    "none": "",
}
PSC = {1: "pde", 2: "pdpte", 3: "pml4e", 4: "pml5e"}  # by the level of the table that holds the entry
BYTES = {"K": 10, "M": 20, "G": 30}


def splitmix64(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M
    z = (z ^ z >> 27) * 0x94D049BB133111EB & M
    return z ^ z >> 31


class Structure:
    """Sets of ways. `policy`: lru, plru, random. `sizes`: shifts, none: it does not say."""

    def __init__(self, entries, ways, policy, holds_all, sizes):
        self.ways, self.policy, self.sizes, self.holds_all = ways, policy, sizes, holds_all or bool(sizes)
        self.sets = [[[None, 0, False, False] for _ in range(ways)] for _ in range(entries // ways)]
        self.leaves = 1 << (ways - 1).bit_length()  # of the tree over the ways
        self.trees = [[False] * self.leaves for _ in self.sets]  # node n: its older half is the upper one

    def index(self, page):
        return page[0] % len(self.sets)

    def find(self, page):
        for slot in self.sets[self.index(page)]:
            if slot[0] == page and slot[2]:
                return slot
        return None

    def use(self, page, slot, clock):
        slot[1] = clock
        way, node = self.sets[self.index(page)].index(slot), 1
        tree, span = self.trees[self.index(page)], self.leaves // 2
        while span:
            is_upper = bool(way & span)
            tree[node] = not is_upper
            node, span = 2 * node + is_upper, span // 2

    def oldest(self, number, clock, seed):
        """The slot that makes room."""
        slots = self.sets[number]
        if self.policy == "lru":
            return min(slots, key=lambda slot: slot[1])  # the first of those that are as old; void ones are older than what came after
        for slot in slots:
            if not slot[2]:
                return slot
        if self.policy == "random":
            return slots[splitmix64(seed + clock * 0x9E3779B97F4A7C15 & M) % self.ways]
        way, node, span = 0, 1, self.leaves // 2
        while span:
            is_upper = self.trees[number][node] and way + span < self.ways
            way, node, span = way + span * is_upper, 2 * node + is_upper, span // 2
        return slots[way]

    def fill(self, page, clock, seed, is_dirty=False):
        """True when another page had to go."""
        number = self.index(page)
        slot = next((s for s in self.sets[number] if s[0] == page), None)
        if slot is None:
            slot = self.oldest(number, clock, seed)
        evicted = slot[2] and slot[0] != page
        slot[:] = [page, clock, True, is_dirty]
        self.use(page, slot, clock)
        return evicted

    def drop(self, wanted):
        """Pages that are invalidated one by one leave an empty slot."""
        for slot in (slot for slots in self.sets for slot in slots):
            if slot[0] is not None and wanted(slot[0]):
                slot[:] = [None, 0, False, False]

    def drop_all(self):
        for slot in (slot for slots in self.sets for slot in slots):
            slot[2] = False


def shift_of(size):
    """4K, 512M."""
    return (int(size[:-1]) << BYTES[size[-1]]).bit_length() - 1


class Model:
    """`shifts`: what an entry of each level of the tables spans, the pages first. `all_dirty`: every entry in the tables has D."""

    def __init__(self, text, seed=0, has_pcids=False, shifts=(12, 21, 30, 39), all_dirty=False):
        self.named, self.seed, self.has_pcids, self.pcid, self.clock = {}, seed, has_pcids, 0, 0
        self.shifts, self.all_dirty = shifts, all_dirty
        self.dirty = set()  # pages whose entry in the table has D
        self.counts = dict.fromkeys(("l1_hits", "l2_hits", "misses", "walks", "walk_reads", "evictions", "psc_hits"), 0)
        self.clock += not has_pcids  # the load of CR3 at boot
        policy = "lru"
        for item in filter(None, PRESETS.get(text, text).split(",")):
            if "=" not in item:
                policy = item
                continue
            name, size, *marks = item.replace("=", ":").split(":")
            entries, ways = map(int, size.split("x"))
            sizes = [shift_of(word) for mark in marks if mark[0].isdigit() for word in mark.split("+")]
            of_its_own = [mark for mark in marks if mark != "all" and not mark[0].isdigit()]
            self.named[name] = Structure(entries, ways, of_its_own[-1] if of_its_own else policy, "all" in marks, sizes)

    def level(self, shift):
        """Of the tables that have the entries."""
        return max(level for level, spanned in enumerate(self.shifts[:3]) if spanned <= shift)

    def first(self, kind, shift):
        base = "l1i" if kind == "x" else "l1d"
        if self.level(shift) and not (base in self.named and self.named[base].holds_all):
            base = "l1i2m" if kind == "x" else ("l1d2m", "l1d1g")[self.level(shift) - 1]
        return self.named.get(base)

    def second(self, kind, shift):
        base = "l2i" if kind == "x" and "l2i" in self.named else "l2"
        if self.level(shift) == 2 and not (base in self.named and self.named[base].holds_all):
            base = "l21g"
        return self.named.get(base)

    def part(self, structure, addr, shift):
        """What the structure holds of the page or block that addr is in."""
        if structure.sizes:
            shift = max([size for size in structure.sizes if self.shifts[0] <= size <= shift], default=self.shifts[0])
        else:
            shift = self.shifts[self.level(shift)]
        return addr >> shift, shift, self.pcid

    def access(self, addr, kind, shift):
        """Which level answered: 1, 2, or 0 for a walk."""
        mapping = addr >> shift, shift
        first, second = self.first(kind, shift), self.second(kind, shift)
        self.clock += 1
        for number, structure in ((1, first), (2, second)):
            page = structure and self.part(structure, addr, shift)
            slot = structure and structure.find(page)
            if slot and kind == "w" and not slot[3]:
                break
            if slot:
                structure.use(page, slot, self.clock)
                self.counts[f"l{number}_hits"] += 1
                if number == 2 and first:
                    first.fill(self.part(first, addr, page[1]), self.clock, self.seed, slot[3])
                return number
        else:
            self.counts["misses"] += 1
        self.walk(addr, self.level(shift))
        if kind == "w":
            self.dirty.add(mapping)
        for structure in filter(None, (first, second)):
            evicted = structure.fill(self.part(structure, addr, shift), self.clock, self.seed, self.all_dirty or mapping in self.dirty)
            self.counts["evictions"] += evicted and structure is (second or first)
        return 0

    def walk(self, addr, leaf):
        """Tables are read from the top, or from where the closest cached entry leads; what is followed is cached."""
        self.counts["walks"] += 1
        level = top = len(self.shifts) - 1
        for at in range(1, top + 1):
            cache, page = self.named.get(PSC[at]), (addr >> self.shifts[at], self.shifts[at], self.pcid)
            slot = cache and cache.find(page)
            if slot:
                cache.use(page, slot, self.clock)
                self.counts["psc_hits"] += 1
                level = at - 1
                break
        while level > leaf:
            self.counts["walk_reads"] += 1
            if PSC[level] in self.named:
                self.named[PSC[level]].fill((addr >> self.shifts[level], self.shifts[level], self.pcid), self.clock, self.seed)
            level -= 1
        self.counts["walk_reads"] += 1

    def invlpg(self, addr):
        for name, structure in self.named.items():
            if name in PSC.values():
                structure.drop(lambda page: page[2] == self.pcid)
            else:
                structure.drop(lambda page: page[2] == self.pcid and page[0] == addr >> page[1])

    def load_cr3(self, pcid, noflush):
        self.pcid = pcid if self.has_pcids else 0
        if not self.has_pcids:
            for structure in self.named.values():
                structure.drop_all()
            self.clock += 1
        elif not noflush:
            for structure in self.named.values():
                structure.drop(lambda page: page[2] == pcid)

    def load_ttbr0(self, asid):
        self.pcid = asid

    def tlbi(self, asid, addr=None, last_level=False):
        """ASIDE1, VAE1, VALE1: the last leaves alone what leads to the tables of the address."""
        for name, structure in self.named.items():
            if addr is None:
                structure.drop(lambda page: page[2] == asid)
            elif not (last_level and name in PSC.values()):
                structure.drop(lambda page: page[2] == asid and page[0] == addr >> page[1])
