"""QEMU's answers as the statistics that clients see."""

from __future__ import annotations

from virtory.driver.qemu import dirty_rate, iothreads, kvm_statistics
from virtory.driver.qemu.disks import backing_images
from virtory.driver.qemu.plan import Image

SCHEMAS = [
    {
        "target": "vcpu",
        "provider": "kvm",
        "stats": [
            {"name": "exits", "type": "cumulative"},
            {"name": "guest_mode", "type": "instant"},
            {"name": "halt_poll_success_hist", "type": "linear-histogram"},
        ],
    },
    {"target": "vm", "provider": "kvm", "stats": [{"name": "pages_2m", "type": "peak"}]},
]
TOLD = [
    {
        "provider": "kvm",
        "qom-path": f"/machine/unattached/device[{number}]",
        "stats": [
            {"name": "exits", "value": 100 + number},
            {"name": "guest_mode", "value": True},
            {"name": "halt_poll_success_hist", "value": [1, 2]},
            {"name": "later", "value": 1},
        ],
    }
    for number in range(2)
]


def test_kvms_counters_have_the_kernels_names_and_say_how_they_count() -> None:
    found = {one.field: one.value for one in kvm_statistics.params(SCHEMAS, TOLD, 1)}
    assert found == {"vcpu.1.exits.sum": 101, "vcpu.1.guest_mode.cur": 1}
    vm = [{"provider": "kvm", "stats": [{"name": "pages_2m", "value": 7}]}]
    assert [one.field for one in kvm_statistics.params(SCHEMAS, vm, None)] == ["vm.pages_2m.max"]


def test_what_qemu_did_not_answer_is_left_out() -> None:
    assert kvm_statistics.params(None, TOLD, 0) == []
    assert kvm_statistics.params(SCHEMAS, None, 0) == []
    assert kvm_statistics.params(SCHEMAS, TOLD, 5) == []


def test_polling_counts_of_a_process_without_kvm_are_zero() -> None:
    assert [one.value for one in kvm_statistics.halt_polling(0)] == [0, 0]


def test_iothreads_are_told_in_qemus_order() -> None:
    told = [
        {"id": "iothread2", "thread-id": 9, "poll-max-ns": 32768, "poll-grow": 0, "poll-shrink": 0},
        {"id": "mine", "thread-id": 8},
    ]
    assert [(one.field, one.value) for one in iothreads.params(told)] == [
        ("iothread.count", 1),
        ("iothread.2.poll-max-ns", 32768),
        ("iothread.2.poll-grow", 0),
        ("iothread.2.poll-shrink", 0),
    ]
    assert iothreads.params([]) == []


def test_a_dirty_rate_is_told_only_when_it_was_measured() -> None:
    running = {"status": "measuring", "mode": "page-sampling", "start-time": 5, "calc-time": 1}
    assert [one.field.rpartition(".")[2] for one in dirty_rate.params(running)] == [
        "calc_status", "calc_start_time", "calc_period", "calc_mode",
    ]  # fmt: skip
    ring = {
        "status": "measured",
        "mode": "dirty-ring",
        "dirty-rate": 12,
        "vcpu-dirty-rate": [{"id": 0, "dirty-rate": 12}],
    }
    found = {one.field: one.value for one in dirty_rate.params(ring)}
    assert found["dirtyrate.calc_status"] == 2
    assert found["dirtyrate.megabytes_per_second"] == 12
    assert found["dirtyrate.vcpu.0.megabytes_per_second"] == 12


def test_backing_images_are_known_by_their_depth() -> None:
    images = [
        Image("vda", depth, depth + 1, f"/nowhere/{depth}", "qcow2", False, depth > 0, depth)
        for depth in range(3)
    ]
    sizes = {"virtual-size": 30, "backing-image": {"virtual-size": 20, "backing-image": {}}}
    nodes = [
        {"qdev": "virtio-disk0", "inserted": {"node-name": images[0].node, "image": sizes}},
        {"qdev": "sata0-0-0"},
    ]
    written = {"stats": {"wr_highest_offset": 512}}
    counted = [{"qdev": "virtio-disk0", "parent": {}, "backing": {"parent": written}}]
    bounds = {images[2].file_node: 4096}
    (middle, base) = backing_images.below(images, counted, nodes, bounds)["virtio-disk0"]
    assert [(one.field, one.value) for one in middle] == [
        ("name", "vda"),
        ("path", "/nowhere/1"),
        ("backingIndex", 2),
        ("allocation", 512),
        ("capacity", 20),
    ]
    assert base[2].value == 3
    assert (base[3].value, base[4].value) == (0, 0)  # what QEMU did not tell
    assert (base[5].field, base[5].value) == ("threshold", 4096)
    assert backing_images.below(images, None, [{"qdev": "x", "inserted": None}], {}) == {}
