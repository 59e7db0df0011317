"""The sentences of `inspect`, on machines that this host can not have."""

from __future__ import annotations

from typing import Any

from virtory.cli.inspection import explained

FEATURE = {"name": "VIRTIO_NET_F_MQ", "meaning": "Multiqueue supported", "negotiated": True}


def report(**changed: Any) -> dict[str, Any]:
    """A machine under KVM with everything that can be said."""
    told: dict[str, Any] = {
        "name": "web",
        "uuid": "11111111-2222-3333-4444-555555555555",
        "state": "running",
        "pid": 77,
        "acceleration": {
            "kind": "kvm",
            "paging": "EPT",
            "nested": True,
            "host_kvm": "native",
            "host_kvm_found": "native",
            "host_modules": ["kvm", "kvm_intel"],
            "host_extensions": "vmx",
            "cure": None,
        },
        "machine": {
            "type": "pc-q35-7.2",
            "family": "q35",
            "arch": "x86_64",
            "firmware": "UEFI",
            "firmware_path": "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
            "secure_boot": True,
            "kernel": "/boot/vmlinuz",
            "cpu_mode": "host-passthrough",
            "cpu_model": None,
        },
        "host": {
            "cpus": 4,
            "memory_kib": 8 << 20,
            "available_kib": 1 << 20,
            "running": 3,
            "promised_vcpus": 8,
            "promised_memory_kib": 6 << 20,
        },
        "processors": {
            "count": 1,
            "maximum": 2,
            "vcpus": [
                {
                    "number": 0,
                    "thread": 78,
                    "thread_name": "CPU 0/KVM",
                    "state": "running",
                    "cpu": 3,
                    "affinity": [1, 2, 3],
                    "time_ns": 1_500_000_000,
                    "delay_ns": 0,
                    "place": {},
                }
            ],
            "iothreads": [],
            "threads": 4,
        },
        "memory": {
            "size_kib": 4 << 20,
            "current_kib": 3 << 20,
            "balloon": True,
            "source": "memfd",
            "huge_pages": True,
            "locked": True,
            "shared": True,
            "preallocated": True,
            "mergeable": True,
            "policy": "default",
            "resident_kib": 2 << 20,
            "transparent_huge_kib": 0,
            "swapped_kib": 2048,
            "locked_kib": 0,
        },
        "virtio": [card({"type": "network", "tap": "vnet0", "network": "default", "bridge": "br"})],
        "devices": [],
        "screens": [{"type": "spice", "address": None, "socket": "/run/s", "port": None}],
        "consoles": [{"alias": None, "type": "pty", "path": "/dev/pts/3"}],
    }
    return told | changed


def card(backend: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "alias": "net0",
        "kind": "virtio-net",
        "queues": 5,
        "driver_running": True,
        "broken": False,
        "in_kernel": True,
        "modern": True,
        "features": [FEATURE, FEATURE | {"name": "VIRTIO_NET_F_RSS", "negotiated": False}],
        "backend": backend,
    } | changed


def test_a_machine_under_kvm() -> None:
    told = explained(report())
    for wanted in (
        "web (11111111-2222-3333-4444-555555555555): running, QEMU process 77",
        "KVM: the guest's instructions run on the host's processor",
        "extensions: VT-x (vmx); kernel modules: kvm, kvm_intel",
        "EPT (Intel): the processor itself walks two page tables",
        "the guest may be a hypervisor itself",
        "UEFI from /usr/share/OVMF/OVMF_CODE_4M.secboot.fd, with secure boot",
        "/boot/vmlinuz: QEMU puts it into memory",
        "1, model host-passthrough; a thread of QEMU",
        "thread 78, running, last on host processor 3, may use 1-3; ran 1.50 s",
        "its balloon holds 1.0 GiB",
        "a memfd: memory with a descriptor, which other processes can map too, in huge pages",
        "shared with other processes, taken at the start, locked in RAM",
        "2.0 GiB of the host for the whole of QEMU (50% of the guest's size)",
        "2 MiB: the guest is slow there",
        "8 promised to 3 running machines, of 4 that exist: overcommitted 2.0 times",
        "6.0 GiB promised, of 8.0 GiB that exist; 1.0 GiB available: not overcommitted",
        "tap device vnet0 on default: frames go to the host's kernel; by vhost",
        "running in the guest, modern (virtio 1)",
        "1 negotiated of 2 offered\n      MQ\n",
        "spice /run/s",
        "console, pty at /dev/pts/3",
    ):
        assert wanted in told, wanted


def test_every_feature_with_its_meaning() -> None:
    told = explained(report(), features=True)
    assert "      + VIRTIO_NET_F_MQ: Multiqueue supported" in told
    assert "      - VIRTIO_NET_F_RSS: Multiqueue supported" in told


def test_other_back_ends_and_an_old_qemu() -> None:
    passt = {"type": "passt", "tap": None, "network": None, "bridge": None, "forwards": ["tcp x"]}
    chain = {
        "type": "image", "path": "/i.qcow2", "format": "qcow2", "chain": ["/i.qcow2", "/b", "/c"],
        "cache": "none", "io": "io_uring", "iothread": None, "read_only": False,
    }  # fmt: skip
    told = explained(
        report(
            virtio=[
                card(passt, driver_running=False, in_kernel=False),
                card(chain, alias="virtio-disk0", kind=None, features=None),
                card({"type": "disks", "disks": ["sda", "sdb"]}, modern=False),
                card({"type": "ports", "ports": []}),
                card({"type": "image", "path": None}),
            ]
        )
    )
    for wanted in (
        "passt: a process beside QEMU that makes the guest's connections as its own; published: ",
        "the guest has started none (yet)",
        "/i.qcow2 (qcow2), cache none, I/O by io_uring; 2 images below it",
        "this QEMU does not tell them; 7.2 and later do",
        "disks sda, sdb",
        "legacy (before virtio 1)",
        "sockets, one for each port: no port",
        "no medium",
    ):
        assert wanted in told, wanted


def test_nested_paging_of_both_makers_and_none() -> None:
    for paging, wanted in (("NPT", "NPT (AMD)"), ("shadow", "shadow pages: KVM keeps a combined")):
        accelerated = report()["acceleration"] | {"paging": paging, "nested": False}
        told = explained(report(acceleration=accelerated))
        assert wanted in told
        assert "the guest can not use KVM inside" in told
