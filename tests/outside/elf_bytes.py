"""ELF files made by hand, byte by byte, for the tests that need broken ones.

Layout (gABI, Elf64_Ehdr and Elf64_Phdr; the 32-bit ones have the same fields in another order):

    0        file header
    phoff    program headers
    ...      the interpreter's name, then zeros up to `nr_bytes`
"""

import struct

PT_LOAD, PT_INTERP, PT_GNU_STACK, PT_GNU_RELRO = 1, 3, 0x6474E551, 0x6474E552
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
EM_386, EM_ARM, EM_X86_64, EM_AARCH64 = 3, 40, 62, 183


def phdr(p_type, flags=4, offset=0, vaddr=0, filesz=0, memsz=0, align=4096, bits=64):
    """One program header."""
    if bits == 64:
        return struct.pack("<IIQQQQQQ", p_type, flags, offset, vaddr, vaddr, filesz, memsz, align)
    return struct.pack("<IIIIIIII", p_type, offset, vaddr, vaddr, filesz, memsz, flags, align)


def elf(phdrs, *, bits=64, e_type=ET_EXEC, machine=None, entry=0x401000, phentsize=None, phnum=None, interp=None, nr_bytes=8192):
    """A whole file. `interp` adds a PT_INTERP with that name (bytes, with its NUL) in front of `phdrs`."""
    ehsize, native = (64, 56) if bits == 64 else (52, 32)
    phdrs = list(phdrs)
    if interp is not None:
        at = ehsize + native * (len(phdrs) + 1)
        phdrs.insert(0, phdr(PT_INTERP, 4, at, 0x400000 + at, len(interp), len(interp), 1, bits))
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    machine = machine or (EM_X86_64 if bits == 64 else EM_386)
    form = "<HHIQQQIHHHHHH" if bits == 64 else "<HHIIIIIHHHHHH"
    # e_shoff points nowhere: execve() does not look at sections, so nothing here may
    head = struct.pack(form, e_type, machine, 1, entry, ehsize, 0x7FFFFFF0, 0, ehsize, phentsize or native,
                       len(phdrs) if phnum is None else phnum, 64, 3, 2)
    return (ident + head + b"".join(phdrs) + (interp or b"")).ljust(nr_bytes, b"\0")
