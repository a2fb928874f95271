"""A core file of physical memory read back, and walks of it as the manuals tell them: written apart from vmtool, for its tests.

x86: Intel SDM volume 3, 5.3 to 5.5; arm: Arm ARM B3.5; arm64: D8.2; riscv64: the RISC-V
Instruction Set Manual, volume II, "Virtual Address Translation Process". Only what decides an address is looked at: presence, leaf, base;
and that a contiguous hint holds.
"""

import struct
from pathlib import Path


class PhysicalCore:
    """Segments by physical address, and the note's facts."""

    def __init__(self, path):
        data = Path(path).read_bytes()
        ident, kind, _, _, _, phoff, shoff, _, _, phentsize, phnum, _, _, _ = struct.unpack_from("<16sHHIQQQIHHHHHH", data)
        assert ident[:6] == b"\x7fELF\x02\x01" and kind == 4 and phentsize == 56
        if phnum == 0xFFFF:
            phnum = struct.unpack_from("<I", data, shoff + 44)[0]
        self.data, self.segments, self.arch, self.roots = data, [], "", {}
        for i in range(phnum):
            p_type, _, offset, _, paddr, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + 56 * i)
            if p_type == 4:
                self._note(data[offset : offset + filesz])
            else:
                assert p_type == 1 and filesz <= memsz
                self.segments.append((paddr, offset, filesz))
        self.segments.sort()
        assert all(a[0] + a[2] <= b[0] for a, b in zip(self.segments, self.segments[1:], strict=False))

    def _note(self, note):
        namesz, descsz, kind = struct.unpack_from("<III", note)
        assert note[12 : 12 + namesz] == b"VMTOOL\0" and kind == 1
        at = 12 + (namesz + 3) // 4 * 4
        for line in note[at : at + descsz].decode().splitlines():
            words = dict(word.split("=", 1) for word in line.split())
            self.arch = words.get("arch", self.arch)
            if "pid" in words:
                self.roots[int(words["pid"])] = (int(words["root"], 16), int(words["root_kernel"], 16) if "root_kernel" in words else None)

    def read(self, addr, nr_bytes):
        for paddr, offset, filesz in self.segments:
            if paddr <= addr < paddr + filesz:
                return int.from_bytes(self.data[offset + addr - paddr : offset + addr - paddr + nr_bytes], "little")
        return 0

    def copy_to(self, out):
        for paddr, offset, filesz in self.segments:
            out.seek(paddr)
            out.write(self.data[offset : offset + filesz])


def walk(core, pid, addr, root=None):
    """The physical address behind addr, or None. root `kernel`: from the second of two values of CR3."""
    lower, upper = core.roots[pid]
    if root == "kernel":
        lower = upper
    if core.arch == "arm":
        return _arm(core, lower, addr)
    if core.arch.startswith("arm64"):
        return _arm64(core, lower, upper, addr, {"arm64": (12, 48), "arm64-16k": (14, 47), "arm64-64k": (16, 48)}[core.arch])
    if core.arch.startswith("riscv"):
        return _riscv(core, lower, addr, {"riscv64-sv39": 3, "riscv64": 4, "riscv64-sv57": 5}[core.arch])
    if core.arch == "i386":
        return _x86(core, lower, addr, (22, 12), 4, 0xFFFFF000, (22,))
    if core.arch == "i386-pae":
        return _x86(core, lower, addr, (30, 21, 12), 8, 0x000FFFFFFFFFF000, (21,))
    shifts = (48, 39, 30, 21, 12) if core.arch == "x86-64-la57" else (39, 30, 21, 12)
    sign = addr >> shifts[0] + 8
    if sign not in (0, (1 << 64 - shifts[0] - 8) - 1):
        return None
    return _x86(core, lower, addr, shifts, 8, 0x000FFFFFFFFFF000, (30, 21))


def _x86(core, table, addr, shifts, size, mask, large):
    table &= mask if size == 8 else 0xFFFFF000
    above = 64 if len(shifts) > 3 else 32
    for shift in shifts:
        entry = core.read(table + (addr >> shift & (1 << above - shift) - 1 & (511 if size == 8 else 1023)) * size, size)
        if not entry & 1:
            return None
        if shift == 12 or (shift in large and entry & 0x80):
            return (entry & mask & ~((1 << shift) - 1)) | (addr & (1 << shift) - 1)
        table = entry & mask
    return None


def _riscv(core, table, addr, levels):
    """Bits above the highest of the address equal it; W without R is reserved, so is a table with A, D or U, or a bit above 53."""
    sign = addr >> 9 * levels + 11
    if sign not in (0, (1 << 64 - 9 * levels - 11) - 1):
        return None
    for shift in range(9 * levels + 3, 11, -9):
        entry = core.read(table + (addr >> shift & 511) * 8, 8)
        if not entry & 1 or entry & 6 == 4 or entry >> 54:
            return None
        base = (entry >> 10) << 12
        if entry & 14:
            return None if base & (1 << shift) - 1 else base | addr & (1 << shift) - 1
        if entry & 0xD0:
            return None
        table = base
    return None


def _arm(core, table, addr):
    first = core.read((table & ~0x3FFF) + (addr >> 20) * 4, 4)
    if first & 3 == 1:
        second = core.read((first & ~0x3FF) + (addr >> 12 & 255) * 4, 4)
        return (second & ~0xFFF) | (addr & 0xFFF) if second & 2 else None
    return (first & ~0xFFFFF) | (addr & 0xFFFFF) if first & 2 else None


def _contiguous(core, table, index, entry, page_shift, shift, mask):
    """D8.7.1: all entries of the aligned block have the bit, map an aligned run, and allow the same; AF and dirty may differ."""
    nr = {(12, 12): 16, (12, 21): 16, (14, 14): 128, (14, 25): 32, (16, 16): 32, (16, 29): 32}[page_shift, shift]
    first = index & ~(nr - 1)
    allowed = ~mask & ~(1 << 10 | 1 << 7 | 1 << 55)
    for n in range(nr):
        other = core.read(table + (first + n) * 8, 8)
        assert other & allowed == entry & allowed
        assert other & mask == (entry & mask) + (first + n - index << shift)
    assert (entry & mask) - (index - first << shift) & (nr << shift) - 1 == 0


def _arm64(core, lower, upper, addr, granule):
    page_shift, va_bits = granule
    sign = addr >> va_bits
    if sign not in (0, (1 << 64 - va_bits) - 1):
        return None
    table = upper if sign else lower
    bits = page_shift - 3
    shift = page_shift + bits * ((va_bits - page_shift + bits - 1) // bits - 1)
    mask = ((1 << 48) - 1) & ~((1 << page_shift) - 1)
    top = (1 << va_bits - shift) - 1
    while table is not None:
        entry = core.read(table + (addr >> shift & top) * 8, 8)
        if not entry & 1 or (shift == page_shift and entry & 3 != 3):
            return None
        if (shift == page_shift or entry & 3 == 1) and entry >> 52 & 1:
            _contiguous(core, table, addr >> shift & top, entry, page_shift, shift, mask)
        if shift == page_shift or entry & 3 == 1:
            return (entry & mask & ~((1 << shift) - 1)) | (addr & (1 << shift) - 1)
        table, shift, top = entry & mask, shift - bits, (1 << bits) - 1
    return None
