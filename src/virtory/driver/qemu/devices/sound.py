"""Sound cards; the host's side is silence, or the viewer's (`<audio type='spice'/>`).

The rule kept here: an HDA controller without a codec gets a duplex one, as libvirt does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.wiring import Item, Wiring, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.sound import Audio, AudioStream, Sound

DRIVERS = {
    "ich6": "intel-hda",
    "ich9": "ich9-intel-hda",
    "ac97": "AC97",
    "es1370": "ES1370",
    "sb16": "sb16",
    "usb": "usb-audio",
}
_CODECS = {"duplex": "hda-duplex", "micro": "hda-micro", "output": "hda-output"}


def describe(sound: Sound, wiring: Wiring) -> list[Item]:
    """The card, and the codecs of an HDA controller."""
    if sound.model == "pcspk":
        return []  # part of the machine
    audio = f"audio{sound.audio or 1}"
    value = {"driver": DRIVERS[sound.model], "id": sound.alias, **wiring.place(sound)}
    if sound.model not in ("ich6", "ich9"):
        return [Item("device", {**value, "audiodev": audio})]
    items = [Item("device", value)]
    codecs = [codec.type for codec in sound.codecs] or ["duplex"]
    for number, codec in enumerate(codecs):
        value = {
            "driver": _CODECS[codec],
            "id": f"{sound.alias}-codec{number}",
            "bus": f"{sound.alias}.0",
            "cad": number,
            "audiodev": audio,
        }
        items.append(Item("device", value))
    return items


def describe_audio(audio: Audio, wiring: Wiring) -> list[Item]:
    """The host's side."""
    value = {
        "id": f"audio{audio.id}",
        "driver": audio.type,
        "timer-period": audio.timer_period,
        "in": _stream(audio.input),
        "out": _stream(audio.output),
    }
    return [Item("audiodev", without_none(value))]


def _stream(stream: AudioStream | None) -> dict[str, Any] | None:
    """One direction, as far as any back end has it."""
    if stream is None:
        return None
    value: dict[str, Any] = {
        "mixing-engine": stream.mixing_engine,
        "fixed-settings": stream.fixed_settings,
        "voices": stream.voices,
        "buffer-length": stream.buffer_length,
    }
    if stream.settings is not None:
        value["frequency"] = stream.settings.frequency
        value["channels"] = stream.settings.channels
        value["format"] = stream.settings.format
    return without_none(value)
