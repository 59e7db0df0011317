"""QEMU's arguments: golden for every case, and what must be true of all of them."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
from cases import CASES, DATA, defined, host, make_images, qemu_7_2, text

from virtory.driver.qemu.command_line import command_line, environment, setup
from virtory.driver.qemu.live import with_cpu, with_terminals
from virtory.driver.qemu.planning.choice import prepare
from virtory.model.domain import Domain, format_domain

if TYPE_CHECKING:
    from pathlib import Path

    from virtory.driver.qemu.plan import Plan

CAPABILITIES = qemu_7_2()


def prepared(case: str, directory: Path, **settings: object) -> tuple[Domain, Plan]:
    images = make_images(directory / "images")
    definition = defined(text(case, images), CAPABILITIES)
    live, plan = prepare(definition, host(**settings), 7)
    return with_cpu(live, CAPABILITIES, plan.accelerator), plan


def compared(path: Path, found: str, regenerate: bool) -> None:
    if regenerate:
        path.write_text(found)
    assert found == path.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_arguments_are_the_expected_ones(case: str, tmp_path: Path, regenerate: bool) -> None:
    arguments = command_line(*prepared(case, tmp_path), CAPABILITIES)
    shown = "\n".join(arguments).replace(str(tmp_path / "images"), "@IMAGES@") + "\n"
    assert str(tmp_path) not in shown
    compared(DATA / f"{case}.args", shown, regenerate)


@pytest.mark.parametrize("case", CASES)
def test_the_live_description_is_the_expected_one(
    case: str, tmp_path: Path, regenerate: bool
) -> None:
    live, _ = prepared(case, tmp_path, privileged=True)
    shown = format_domain(live).replace(str(tmp_path / "images"), "@IMAGES@")
    compared(DATA / f"{case}.live.xml", shown, regenerate)


@pytest.mark.parametrize("case", CASES)
def test_qemu_is_told_no_path_of_an_image(case: str, tmp_path: Path) -> None:
    arguments = " ".join(command_line(*prepared(case, tmp_path), CAPABILITIES))
    for name in (".qcow2", ".raw", ".iso", ".fd", "run/", "state/"):
        assert name not in arguments


@pytest.mark.parametrize("case", CASES)
def test_qemu_runs_in_its_strictest_sandbox_and_paused(case: str, tmp_path: Path) -> None:
    arguments = command_line(*prepared(case, tmp_path), CAPABILITIES)
    sandbox = arguments[arguments.index("-sandbox") + 1]
    assert sandbox == "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    assert {"-S", "-nodefaults", "-no-user-config"} <= set(arguments)


@pytest.mark.parametrize("case", CASES)
def test_every_device_has_a_name_of_its_own(case: str, tmp_path: Path) -> None:
    arguments = command_line(*prepared(case, tmp_path), CAPABILITIES)
    devices = [json.loads(v) for k, v in itertools.pairwise(arguments) if k == "-device"]
    names = [each["id"] for each in devices if "masterbus" not in each]
    assert len(names) == len(set(names)) > 0


def test_descriptors_have_the_numbers_that_they_were_given(tmp_path: Path) -> None:
    live, plan = prepared("q35-cloud", tmp_path)
    slots = [each.slot for row in (plan.files, plan.listens, plan.pairs) for each in row]
    fds = {slot: 500 + slot for slot in slots}
    arguments = command_line(live, plan, CAPABILITIES, fds)
    monitor = plan.slot("monitor")
    disk = plan.slot("disk:vda:0")
    assert monitor is not None
    assert disk is not None
    assert f"socket,id=charmonitor,fd={fds[monitor]},server=on,wait=off" in arguments
    assert f"fd={fds[disk]},set={disk},opaque=disk:vda:0" in arguments


def test_a_kernel_that_the_guests_user_can_not_read_is_handed_over(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    tmp_path.chmod(0o700)
    live, plan = prepared("pc-kernel", tmp_path, privileged=True)
    slot = plan.slot("kernel")
    assert slot is not None
    assert next(each.mode for each in plan.files if each.slot == slot) == "memory"
    arguments = command_line(live, plan, CAPABILITIES, {slot: 88})
    assert arguments[arguments.index("-kernel") + 1] == "/proc/self/fd/88"
    assert not any("fd=88" in each for each in arguments)  # not in a set: QEMU opens the path


def test_commas_in_names_do_not_break_out_of_their_option(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    xml = text("pc-minimal", images).replace("<name>pc-minimal<", "<name>a,debug=on<")
    live, plan = prepare(defined(xml, CAPABILITIES), host(), 1)
    assert "guest=a,,debug=on,debug-threads=on" in command_line(live, plan, CAPABILITIES)


def test_users_arguments_come_last_and_their_variables_are_set(tmp_path: Path) -> None:
    live, plan = prepared("q35-network", tmp_path)
    assert command_line(live, plan, CAPABILITIES)[-2:] == [
        "-fw_cfg",
        "name=opt/com.example/seed,string=a",
    ]
    assert environment(live)["EXAMPLE"] == "1"
    assert "HOME" not in environment(live)


def test_set_up_tells_where_vnc_listens_and_its_password_first(tmp_path: Path) -> None:
    steps = setup(*prepared("q35-virtio-boot-order", tmp_path))
    assert [step.command for step in steps] == ["set_password", "display-update"]
    assert steps[0].arguments == {"protocol": "vnc", "password": "secret"}
    assert steps[1].arguments["addresses"] == [
        {"type": "inet", "host": "127.0.0.1", "port": "5931"}
    ]


def test_set_up_hands_over_the_socket_of_vnc(tmp_path: Path) -> None:
    live, plan = prepared("q35-cloud", tmp_path)
    steps = {step.command: step for step in setup(live, plan)}
    slot = plan.slot("vnc:0")
    assert slot is not None
    assert steps["display-update"].slots == (slot,)
    assert steps["display-update"].arguments["addresses"] == [{"type": "fd", "str": f"slot{slot}"}]
    assert steps["qom-set"].arguments["value"] == 5


def test_set_up_pulls_the_plug_of_a_card_whose_link_is_down(tmp_path: Path) -> None:
    steps = setup(*prepared("q35-network", tmp_path))
    assert [(s.command, s.arguments) for s in steps] == [
        ("set_link", {"name": "net1", "up": False})
    ]


def test_terminals_show_where_users_look_for_them(tmp_path: Path) -> None:
    live, _ = prepared("pc-small", tmp_path)
    shown = with_terminals(live, {"serial0": "/dev/pts/9"})
    assert [each.path for each in shown.devices.serials[0].sources] == ["/dev/pts/9"]
    assert shown.devices.consoles[0].tty == "/dev/pts/9"
