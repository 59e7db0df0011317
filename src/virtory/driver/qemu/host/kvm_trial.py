"""One trial of /dev/kvm: a virtual CPU counts down in 64-bit mode, and the clock tells how fast.

The rule kept here: standard library only, and it runs as a *program* in a process of its own
(`host/accelerator.py` starts it with a time limit), so that no kernel, however broken, can hang the
daemon. It prints one JSON object and ends.

Why 64-bit mode: that is where guests spend their lives; real mode is emulated on some old but
perfectly good processors. Structures and numbers are those of Linux's `uapi/linux/kvm.h` for x86.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import struct
import sys
import time

GET_API_VERSION = 0xAE00
CREATE_VM = 0xAE01
CHECK_EXTENSION = 0xAE03
GET_VCPU_MMAP_SIZE = 0xAE04
CREATE_VCPU = 0xAE41
SET_USER_MEMORY_REGION = 0x4020AE46
RUN = 0xAE80
SET_REGS = 0x4090AE82
GET_SREGS = 0x8138AE83
SET_SREGS = 0x4138AE84

CAPABILITIES = {"user_memory": 3, "irqchip": 0, "set_tss_addr": 4, "max_vcpus": 66, "nr_vcpus": 9}

EXIT_IO = 2
MEMORY = 0x10000
CODE, PML4, PDPT, PD, STACK = 0x1000, 0x2000, 0x3000, 0x4000, 0xFF00
LOOPS = 8_000
INSTRUCTIONS = 2 * LOOPS  # `dec` and `jnz`; the few others do not matter
ENOUGH_S = 0.03


def trial(device: str) -> dict[str, object]:
    """What KVM says of itself and how many instructions a second it runs."""
    kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    facts: dict[str, object] = {"api": fcntl.ioctl(kvm, GET_API_VERSION, 0)}
    facts["capabilities"] = {
        name: fcntl.ioctl(kvm, CHECK_EXTENSION, number) for name, number in CAPABILITIES.items()
    }
    vm = _ioctl(kvm, CREATE_VM)
    if os.uname().machine != "x86_64":
        return facts
    memory = _guest_memory()
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    region = struct.pack("<IIQQQ", 0, 0, 0, MEMORY, address)
    fcntl.ioctl(vm, SET_USER_MEMORY_REGION, region)
    vcpu = fcntl.ioctl(vm, CREATE_VCPU, 0)
    state = mmap.mmap(vcpu, fcntl.ioctl(kvm, GET_VCPU_MMAP_SIZE, 0))
    _enter_long_mode(vcpu)
    facts.update(_timed(vcpu, state))
    return facts


def _guest_memory() -> mmap.mmap:
    """The program, and page tables that map the first 2 MiB onto themselves."""
    memory = mmap.mmap(-1, MEMORY, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    code = b"\xb9" + struct.pack("<I", LOOPS)  # start: mov ecx, LOOPS
    code += b"\xff\xc9\x75\xfc"  # dec ecx; jnz -4
    code += b"\xe6\x10\xeb\xf3"  # out 0x10, al: back to us; jmp start
    memory[CODE : CODE + len(code)] = code
    for table, entry in ((PML4, PDPT | 3), (PDPT, PD | 3), (PD, 0x83)):
        memory[table : table + 8] = struct.pack("<Q", entry)
    return memory


def _enter_long_mode(vcpu: int) -> None:
    registers = bytearray(312)
    fcntl.ioctl(vcpu, GET_SREGS, registers)
    registers[0:24] = _segment(selector=8, kind=0xB, long=1)
    for number in range(1, 6):
        registers[24 * number : 24 * number + 24] = _segment(selector=16, kind=3, long=0)
    control = 24 * 8 + 16 * 2  # after eight segments and two descriptor tables
    cr0, cr4, efer = 0x80050033, 0x20, 0x500  # paging; PAE; LME and LMA
    struct.pack_into("<6Q", registers, control, cr0, 0, PML4, cr4, 0, efer)
    fcntl.ioctl(vcpu, SET_SREGS, bytes(registers))
    general = [0] * 18
    general[6], general[16], general[17] = STACK, CODE, 2  # rsp, rip, rflags
    fcntl.ioctl(vcpu, SET_REGS, struct.pack("<18Q", *general))


def _segment(selector: int, kind: int, long: int) -> bytes:
    return struct.pack(
        "<QIHBBBBBBBBBB", 0, 0xFFFFFFFF, selector, kind, 1, 0, 1 - long, 1, long, 1, 0, 0, 0
    )


def _timed(vcpu: int, state: mmap.mmap) -> dict[str, object]:
    """The best of some rounds: the first one pays for page faults, any one for a busy host."""
    best, spent = float("inf"), 0.0
    rounds = 0
    while rounds < 2 or (spent < ENOUGH_S and rounds < 50):
        begin = time.perf_counter()
        _ioctl(vcpu, RUN)
        took = time.perf_counter() - begin
        (reason,) = struct.unpack_from("<I", state, 8)
        if reason != EXIT_IO:
            return {"exit_reason": reason}
        best, spent, rounds = min(best, took), spent + took, rounds + 1
    return {"instructions_per_s": int(INSTRUCTIONS / best)}


def _ioctl(descriptor: int, request: int) -> int:
    """A call that a signal breaks off, such as the one to go on after a stop, is begun again: KVM
    leaves that to its callers, and what the guest has done till then is done.
    """
    while True:
        try:
            return fcntl.ioctl(descriptor, request, 0)
        except InterruptedError:
            continue


def main() -> None:
    """Try the device named on the command line; errors are reported by their errno."""
    try:
        facts = trial(sys.argv[1])
    except OSError as error:
        facts = {"errno": error.errno, "error": error.strerror}
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
