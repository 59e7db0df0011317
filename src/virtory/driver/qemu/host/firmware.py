"""UEFI firmware: what is installed, and which one a machine gets.

The rule kept here: the distribution decides. Firmware is described by JSON files (QEMU's
`docs/interop/firmware.json`) in three directories, a later one hiding the same name of an earlier
one; sorted by file name, the first that has what the machine asks for is taken.
"""

from __future__ import annotations

import fnmatch
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from virtory.errors import ConfigUnsupported
from virtory.model.domain.features import Features, Smm
from virtory.model.domain.os import Loader, Nvram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.model.domain import Domain

DIRECTORIES: Final = ("/usr/share/qemu/firmware", "/etc/qemu/firmware")
_BIG = 1 << 20


@dataclass(frozen=True, slots=True)
class Firmware:
    """One description: `template` holds the variables that a new machine starts with."""

    description: str
    code: str
    template: str | None
    format: str
    targets: tuple[tuple[str, tuple[str, ...]], ...]  # architecture, globs of machine types
    features: frozenset[str]
    template_format: str = "raw"

    def suits(self, arch: str, machine: str) -> bool:
        """Whether it is made for such a machine."""
        return any(
            arch == target and any(fnmatch.fnmatchcase(machine, glob) for glob in globs)
            for target, globs in self.targets
        )

    @property
    def needs_smm(self) -> bool:
        """Whether its variables are safe only with system management mode."""
        return "requires-smm" in self.features


def installed(directories: Iterable[str] = DIRECTORIES) -> tuple[Firmware, ...]:
    """Every usable description, in order of preference; a broken file is passed over."""
    files: dict[str, str] = {}
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        files.update({n: os.path.join(directory, n) for n in names if n.endswith(".json")})
    found = (_described(files[name]) for name in sorted(files))
    return tuple(each for each in found if each is not None)


def _described(path: str) -> Firmware | None:
    try:
        with open(path, "rb") as file:
            data: dict[str, Any] = json.loads(file.read(_BIG))
        mapping = data["mapping"]
        if "uefi" not in data["interface-types"] or mapping["device"] != "flash":
            return None
        code, variables = mapping["executable"], mapping.get("nvram-template")
        return Firmware(
            description=str(data.get("description", path)),
            code=str(code["filename"]),
            template=str(variables["filename"]) if variables else None,
            format=str(code["format"]),
            targets=tuple(
                (str(t["architecture"]), tuple(str(m) for m in t["machines"]))
                for t in data["targets"]
            ),
            features=frozenset(str(feature) for feature in data["features"]),
            template_format=str(variables["format"]) if variables else "raw",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def with_firmware(domain: Domain, found: Iterable[Firmware], variables: str) -> Domain:
    """The same with firmware chosen and named; `variables` is the file for its variables.

    A machine that names its loader keeps it; only the file of the variables is filled in.

    Raises ConfigUnsupported when nothing installed suits.
    """
    os_ = domain.os
    if os_.firmware_auto == "efi" and (os_.loader is None or os_.loader.path is None):
        return _chosen(domain, list(found), variables)
    loader = os_.loader
    if loader is None or loader.type != "pflash" or loader.path is None or loader.stateless:
        return domain
    nvram = os_.nvram or Nvram()
    if nvram.path is None:
        template = nvram.template or _template_of(loader.path, found)
        if template is None:
            raise ConfigUnsupported(
                f"/domain/os/nvram: unable to find any master var store for loader: {loader.path}",
                cure="Name one: <nvram template='/path/of/VARS.fd'/>.",
            )
        nvram = replace(nvram, template=template, path=variables)
    return replace(domain, os=replace(os_, nvram=nvram))


def _template_of(code: str, found: Iterable[Firmware]) -> str | None:
    """The one described with this very path; else with a link to the same file."""
    descriptions = list(found)
    for each in descriptions:
        if each.code == code:
            return each.template
    real = os.path.realpath(code)
    for each in descriptions:
        if os.path.realpath(each.code) == real:
            return each.template
    return None


def _chosen(domain: Domain, found: list[Firmware], variables: str) -> Domain:
    arch, machine = domain.os.type.arch or "x86_64", domain.os.type.machine or ""
    wishes = domain.os.firmware.features if domain.os.firmware is not None else ()
    suited = [
        each
        for each in found
        if each.suits(arch, machine) and all((w.name in each.features) == w.enabled for w in wishes)
    ]
    smm = domain.features.smm if domain.features is not None else None
    if smm is not None and smm.state is False:
        suited = [each for each in suited if not each.needs_smm]
    if not suited:
        wanted = "".join(f", {w.name} {'on' if w.enabled else 'off'}" for w in wishes)
        raise ConfigUnsupported(
            f"/domain/os/@firmware: no UEFI firmware is installed for {arch} {machine}{wanted}",
            cure="Install it (apt install ovmf), or ask for other <firmware> features.",
        )
    firmware = suited[0]
    loader = replace(
        domain.os.loader or Loader(),
        readonly=True,
        secure=True if firmware.needs_smm else None,
        type="pflash",
        format=None if firmware.format == "raw" else firmware.format,
        path=firmware.code,
    )
    nvram = domain.os.nvram or Nvram()
    template = nvram.template or firmware.template
    if nvram.template is None and firmware.template_format != "raw":
        other: Any = firmware.template_format
        nvram = replace(nvram, template_format=other, format=nvram.format or other)
    nvram = replace(nvram, template=template, path=nvram.path or variables)
    features = domain.features or Features()
    if firmware.needs_smm:
        features = replace(features, smm=replace(features.smm or Smm(), state=True))
    new = replace(domain.os, firmware_auto=None, loader=loader, nvram=nvram)
    return replace(domain, os=new, features=features)
