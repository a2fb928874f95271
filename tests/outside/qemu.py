"""QEMU's own MMU asked what an address leads to: a halted CPU over a sparse file of RAM, through its gdb stub.

No instruction runs: control registers are set by the stub, `gva2gpa` is asked of the monitor by qRcmd.
"""

import os
import re
import shutil
import socket
import subprocess
import time

PROGRAM = shutil.which("qemu-system-x86_64")
CR4_PSE, CR4_PAE, CR4_LA57 = 1 << 4, 1 << 5, 1 << 12
CR0 = 0x80010011  # PG WP ET PE
EFER = 0xD00  # LMA LME NXE
MODES = {  # CR4 and EFER by architecture
    "x86-64": (CR4_PSE | CR4_PAE, EFER),
    "x86-64-la57": (CR4_PSE | CR4_PAE | CR4_LA57, EFER),
    "i386-pae": (CR4_PSE | CR4_PAE, 0x800),
    "i386": (CR4_PSE, 0),
}


class Qemu:
    def __init__(self, core, directory, ram_bytes):
        memory = os.path.join(directory, "ram")
        with open(memory, "wb") as out:
            out.truncate(ram_bytes)
            core.copy_to(out)
        self.core = core
        place = os.path.join(directory, "gdb")
        self.process = subprocess.Popen(
            [PROGRAM, "-machine", "none,memory-backend=ram", "-cpu", "max,apic-id=0", "-S", "-display", "none", "-nodefaults",
             "-m", str(ram_bytes >> 20),
             "-object", f"memory-backend-file,id=ram,mem-path={memory},size={ram_bytes},share=on",
             "-chardev", f"socket,path={place},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"],
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

    def set(self, name, value):
        number, size = self.numbers[name]
        assert self.ask(f"P{number:x}={value.to_bytes(size, 'little').hex()}") == "OK", name
        assert int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little") == value, name

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

    def translate(self, pid, addresses, root=None):
        """The physical address of each, None where the processor would fault for want of a translation."""
        cr4, efer = MODES[self.core.arch]
        self.set("cr4", cr4)
        self.set("efer", efer)
        self.set("cr3", self.core.roots[pid][root == "kernel"])
        self.set("cr0", CR0)
        found = []
        for answer in self.monitor([f"gva2gpa 0x{address:x}" for address in addresses]):
            match = re.search(r"gpa: (0x[0-9a-f]+|0)\s", answer)
            found.append(int(match[1], 16) if match else None)
        return found
