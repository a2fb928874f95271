"""QEMU's own MMU asked what an address leads to: a halted CPU over a sparse file of RAM, through its gdb stub.

x86, riscv: no instruction runs, control registers are set by the stub. Arm's the stub cannot set: a few instructions that do are put where
the machine has no memory and run step by step, last the one that switches the MMU on. `gva2gpa` is asked of the monitor by qRcmd.
"""

import os
import re
import shutil
import socket
import subprocess
import time

PROGRAMS = {"x86": "qemu-system-x86_64", "arm": "qemu-system-arm", "arm64": "qemu-system-aarch64", "riscv": "qemu-system-riscv64"}
CR4_PSE, CR4_PAE, CR4_LA57 = 1 << 4, 1 << 5, 1 << 12
CR0 = 0x80010011  # PG WP ET PE
EFER = 0xD00  # LMA LME NXE
CPUS = {"x86": "max,apic-id=0", "arm": "max", "arm64": "max,has_el3=off,has_el2=off",  # EL1 the highest: no second stage
        "riscv": "rv64,pmp=off"}
MODES = {  # CR4 and EFER by architecture
    "x86-64": (CR4_PSE | CR4_PAE, EFER),
    "x86-64-la57": (CR4_PSE | CR4_PAE | CR4_LA57, EFER),
    "i386-pae": (CR4_PSE | CR4_PAE, 0x800),
    "i386": (CR4_PSE, 0),
}
GRANULES = {  # TCR_EL1: T0SZ and T1SZ, TG0, TG1
    "arm64": (16, 0, 2),
    "arm64-16k": (17, 2, 1),
    "arm64-64k": (16, 1, 3),
}
SATP_MODES = {"riscv64-sv39": 8, "riscv64": 9, "riscv64-sv57": 10}
SUM, MXR = 1 << 18, 1 << 19  # mstatus: the supervisor may read a program's pages, and what may only be executed
EL1H, SVC = 0x3C5, 0x1D3  # interrupts masked
A64 = (  # x0 to x4 hold the values
    0xD5182000,  # msr ttbr0_el1, x0
    0xD5182021,  # msr ttbr1_el1, x1
    0xD5182042,  # msr tcr_el1, x2
    0xD518A203,  # msr mair_el1, x3
    0xD5033FDF,  # isb
    0xD508871F,  # tlbi vmalle1
    0xD5033F9F,  # dsb sy
    0xD5033FDF,  # isb
    0xD5181004,  # msr sctlr_el1, x4
)
A32 = (  # r0 to r3
    0xEE020F10,  # mcr p15, 0, r0, c2, c0, 0: TTBR0
    0xEE021F50,  # mcr p15, 0, r1, c2, c0, 2: TTBCR
    0xEE032F10,  # mcr p15, 0, r2, c3, c0, 0: DACR
    0xF57FF06F,  # isb
    0xEE080F17,  # mcr p15, 0, r0, c8, c7, 0: TLBIALL
    0xF57FF04F,  # dsb
    0xF57FF06F,  # isb
    0xEE013F10,  # mcr p15, 0, r3, c1, c0, 0: SCTLR
)
MAIR, SCTLR_EL1, SCTLR = 0xFF, 0x30D0198D, 0x10C5387D
CODE = 0x1000  # below the RAM of Linux's machines


def family(arch):
    return "arm64" if arch.startswith("arm64") else "riscv" if arch.startswith("riscv") else arch if arch == "arm" else "x86"


def program(arch):
    """The emulator of an architecture, None where it is not installed."""
    return shutil.which(PROGRAMS[family(arch)])


class Qemu:
    def __init__(self, core, directory, ram_bytes):
        memory = os.path.join(directory, "ram")
        with open(memory, "wb") as out:
            out.truncate(ram_bytes)
            core.copy_to(out)
        place = os.path.join(directory, "gdb")
        self.core, self.memory, self.place = core, memory, place
        self.process = subprocess.Popen(
            [program(core.arch), "-machine", "none,memory-backend=ram", "-cpu", CPUS[family(core.arch)], "-S", "-display", "none",
             "-nodefaults", "-m", str(ram_bytes >> 20),
             "-object", f"memory-backend-file,id=ram,mem-path={memory},size={ram_bytes},share=on",
             "-chardev", f"socket,path={place},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb",
             "-chardev", f"socket,path={place}.hmp,server=on,wait=off,id=hmp", "-mon", "chardev=hmp,mode=readline"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.socket.connect(place)
                break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.process.stderr.read().decode()) from None
                time.sleep(0.05)
        self.buffer = b""
        self.numbers = self._register_numbers()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    # --- the remote protocol ------------------------------------------------------------------------------

    def send(self, text):
        data = text.encode()
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 255))

    def packet(self):
        while True:
            start, end = self.buffer.find(b"$"), self.buffer.find(b"#")
            if 0 <= start < end and len(self.buffer) >= end + 3:
                found, self.buffer = self.buffer[start + 1 : end], self.buffer[end + 3 :]
                self.socket.sendall(b"+")
                return found.decode("latin-1")
            try:
                more = self.socket.recv(65536)
            except OSError:
                more = b""
            if not more:
                raise RuntimeError("QEMU has gone: " + self.process.stderr.read().decode())
            self.buffer += more

    def ask(self, text):
        self.send(text)
        return self.packet()

    def _xml(self, name):
        text = ""
        while True:
            answer = self.ask(f"qXfer:features:read:{name}:{len(text):x},ffb")
            text += answer[1:]
            if answer[:1] != "m":
                return text

    def _register_numbers(self):
        """Numbers by name: registers count in the order of the description's files."""
        self.ask("qSupported:xmlRegisters=i386")
        names = []
        for part in re.findall(r'<xi:include href="([^"]+)"', self._xml("target.xml")):
            text = re.sub("<!--.*?-->", "", self._xml(part), flags=re.DOTALL)
            for attributes in re.findall(r"<reg ([^>]*)", text):
                number = re.search(r'regnum="(\d+)"', attributes)
                while number and len(names) < int(number[1]):
                    names.append(None)
                names.append((re.search(r'name="([^"]+)"', attributes)[1], int(re.search(r'bitsize="(\d+)"', attributes)[1]) // 8))
        return {entry[0]: (number, entry[1]) for number, entry in enumerate(names) if entry}

    def get(self, name):
        return int.from_bytes(bytes.fromhex(self.ask(f"p{self.numbers[name][0]:x}")), "little")

    def set(self, name, value):
        number, size = self.numbers[name]
        assert self.ask(f"P{number:x}={value.to_bytes(size, 'little').hex()}") == "OK", name
        assert self.get(name) == value, name

    def monitor(self, commands):
        """Answers to many commands, a window of them on the way at a time."""
        answers = []
        for at in range(0, len(commands), 64):
            part = commands[at : at + 64]
            for command in part:
                self.send("qRcmd," + command.encode().hex())
            for _ in part:
                text = ""
                while True:
                    answer = self.packet()
                    if answer == "OK":
                        break
                    text += bytes.fromhex(answer[1:]).decode() if answer[:1] == "O" else bytes.fromhex(answer).decode() if answer else ""
                    if answer[:1] != "O":
                        break
                answers.append(text)
        return answers

    def info_tlb(self):
        """{address: the nine letters of its entry} of all that the tables map, as `info tlb` of x86 prints it: XGPDACTUW or a dash."""
        said = b""
        with socket.socket(socket.AF_UNIX) as hmp:
            hmp.connect(self.place + ".hmp")
            hmp.sendall(b"info tlb\n")
            while said.count(b"(qemu) ") < 2 or not said.endswith(b"(qemu) "):
                said += hmp.recv(1 << 16)
        lines = re.findall(r"^([0-9a-f]+): [0-9a-f]+ ([-XGPDACTUW]{9})\s*$", said.decode("latin-1"), re.MULTILINE)
        return {int(address, 16): letters for address, letters in lines}

    def step(self, code):
        """Run a few instructions, one after the other, where the machine has no memory. The MMU is off still: once a QEMU."""
        with open(self.memory, "r+b") as ram:
            ram.seek(CODE)
            before = ram.read(4 * len(code))
            assert not any(before), "the machine has memory where the instructions are to be"
            ram.seek(CODE)
            ram.write(b"".join([word.to_bytes(4, "little") for word in code]))
            ram.flush()
            for n in range(len(code)):
                self.set("pc", CODE + 4 * n)
                assert self.ask("s")[:3] in ("T05", "S05")
            ram.seek(CODE)
            ram.write(before)

    def _low(self, root):
        """The stub sets 31 bits of CR3 before long mode: a top table above them is copied to a page that the core has no table in."""
        if root < 1 << 31:
            return root
        with open(self.memory, "r+b") as ram:
            ram.seek(CODE)
            assert not any(ram.read(4096))
            ram.seek(root & ~0xFFF)
            table = ram.read(4096)
            ram.seek(CODE)
            ram.write(table)
        return CODE

    def _load_x86(self, lower, upper, root):
        cr4, efer = MODES[self.core.arch]
        self.set("cr4", cr4)
        self.set("efer", efer)
        self.set("cr3", self._low(upper if root == "kernel" else lower))
        self.set("cr0", CR0)

    def _load_arm(self, lower, upper, root):
        self.set("cpsr", SVC)
        for name, value in (("r0", lower), ("r1", 0), ("r2", 0x55555555), ("r3", SCTLR)):
            self.set(name, value)
        self.step(A32)

    def _load_arm64(self, lower, upper, root):
        size, lower_granule, upper_granule = GRANULES[self.core.arch]
        tcr = size | lower_granule << 14 | size << 16 | upper_granule << 30 | 5 << 32 | (1 << 23 if upper is None else 0)
        self.set("cpsr", EL1H)
        for name, value in (("x0", lower), ("x1", upper or 0), ("x2", tcr), ("x3", MAIR), ("x4", SCTLR_EL1)):
            self.set(name, value)
        self.step(A64)

    def _load_riscv(self, lower, upper, root):
        self.set("mstatus", self.get("mstatus") | SUM | MXR)
        self.set("satp", SATP_MODES[self.core.arch] << 60 | lower >> 12)
        self.set("priv", 1)

    def translate(self, pid, addresses, root=None):
        """The physical address of each, None where the processor would fault for want of a translation."""
        load = {"x86": self._load_x86, "arm": self._load_arm, "arm64": self._load_arm64, "riscv": self._load_riscv}[family(self.core.arch)]
        load(*self.core.roots[pid], root)
        found = []
        for answer in self.monitor([f"gva2gpa 0x{address:x}" for address in addresses]):
            match = re.search(r"gpa: (0x[0-9a-f]+|0)\s", answer)
            found.append(int(match[1], 16) if match else None)
        return found
