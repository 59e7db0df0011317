"""`<sound>` cards in the guest and `<audio>` back ends on the host.

The rule kept here: a card names its back end by `audio`, the back end's `id`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Range, YesNo
from virtory.model.domain.devices.device import Device


class Codec(Element, tag="codec"):
    """`<codec>` of an HDA card."""

    type: Attr[Literal["duplex", "micro", "output"]]


class Sound(Device, tag="sound"):
    """`<sound>`: one card."""

    model: Attr[Literal["sb16", "es1370", "pcspk", "ac97", "ich6", "ich7", "ich9", "usb", "virtio"]]
    codecs: tuple[Codec, ...] = ()
    audio: Annotated[int | None, At("audio/@id")] = None


class AudioSettings(Element):
    """`<settings>`: fixed frequency in Hz, channels and sample format."""

    frequency: Attr[int | None] = None
    channels: Attr[int | None] = None
    format: Attr[Literal["s8", "u8", "s16", "u16", "s32", "u32", "f32"] | None] = None


class AudioStream(Element):
    """`<input>`, `<output>`: one direction; `buffer_length` and `latency` in microseconds."""

    mixing_engine: Annotated[YesNo | None, At("@mixingEngine")] = None
    fixed_settings: Annotated[YesNo | None, At("@fixedSettings")] = None
    voices: Attr[int | None] = None
    buffer_length: Annotated[int | None, At("@bufferLength")] = None
    dev: Attr[str | None] = None
    buffer_count: Annotated[int | None, At("@bufferCount")] = None
    try_poll: Annotated[YesNo | None, At("@tryPoll")] = None
    server_name: Annotated[str | None, At("@serverName")] = None
    client_name: Annotated[str | None, At("@clientName")] = None
    connect_ports: Annotated[str | None, At("@connectPorts")] = None
    exact_name: Annotated[YesNo | None, At("@exactName")] = None
    name: Attr[str | None] = None
    stream_name: Annotated[str | None, At("@streamName")] = None
    latency: Attr[int | None] = None
    settings: AudioSettings | None = None


class Audio(Element, tag="audio"):
    """`<audio>`: one back end."""

    id: Attr[int]
    type: Attr[
        Literal[
            "none", "alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl", "spice", "file",
            "dbus",
        ]
    ]  # fmt: skip
    timer_period: Annotated[int | None, At("@timerPeriod")] = None
    try_mmap: Annotated[YesNo | None, At("@tryMMap")] = None
    exclusive: Attr[YesNo | None] = None
    dsp_policy: Annotated[int | None, At("@dspPolicy"), Range(-1, 10)] = None
    server_name: Annotated[str | None, At("@serverName")] = None
    driver: Attr[Literal["esd", "alsa", "arts", "pulseaudio"] | None] = None
    path: Attr[str | None] = None
    input: AudioStream | None = None
    output: AudioStream | None = None
