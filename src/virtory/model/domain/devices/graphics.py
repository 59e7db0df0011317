"""`<graphics>`: how the guest's screen is looked at from outside.

The rule kept here: a password is part of the description but is written only when the caller asks
for secrets (`without_secrets` in `model.domain`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Range, YesNo

Port = Annotated[int, Range(-1, 65535)]
ChannelMode = Literal["any", "secure", "insecure"]


class Listen(Element, tag="listen"):
    """`<listen>`: an address, a network, a socket's path or nothing."""

    type: Attr[Literal["address", "network", "socket", "none"]]
    address: Attr[str | None] = None
    network: Attr[str | None] = None
    socket: Attr[str | None] = None


class SpiceChannel(Element, tag="channel"):
    """`<channel>`: whether one SPICE channel is encrypted."""

    name: Attr[
        Literal[
            "main", "display", "inputs", "cursor", "playback", "record", "smartcard", "usbredir"
        ]
    ]
    mode: Attr[ChannelMode]


class Gl(Element):
    """`<gl>`: OpenGL on the host."""

    enable: Attr[YesNo | None] = None
    rendernode: Attr[str | None] = None


class Graphics(Element, tag="graphics"):
    """`<graphics>`: one way to look."""

    type: Attr[Literal["vnc", "spice", "sdl", "rdp", "desktop", "egl-headless", "dbus"]]
    socket: Attr[str | None] = None
    port: Attr[Port | None] = None
    tls_port: Annotated[Port | None, At("@tlsPort")] = None
    autoport: Attr[YesNo | None] = None
    websocket: Attr[Port | None] = None
    listen: Attr[str | None] = None
    keymap: Attr[str | None] = None
    default_mode: Annotated[ChannelMode | None, At("@defaultMode")] = None
    share_policy: Annotated[
        Literal["allow-exclusive", "force-shared", "ignore"] | None, At("@sharePolicy")
    ] = None
    power_control: Annotated[YesNo | None, At("@powerControl")] = None
    passwd: Attr[str | None] = None
    passwd_valid_to: Annotated[str | None, At("@passwdValidTo")] = None
    connected: Attr[Literal["fail", "disconnect", "keep"] | None] = None
    display: Attr[str | None] = None
    xauth: Attr[str | None] = None
    fullscreen: Attr[YesNo | None] = None
    address: Attr[str | None] = None
    p2p: Attr[YesNo | None] = None
    listens: tuple[Listen, ...] = ()
    channels: tuple[SpiceChannel, ...] = ()
    image: Annotated[
        Literal["auto_glz", "auto_lz", "quic", "glz", "lz", "off"] | None,
        At("image/@compression"),
    ] = None
    jpeg: Annotated[Literal["auto", "never", "always"] | None, At("jpeg/@compression")] = None
    zlib: Annotated[Literal["auto", "never", "always"] | None, At("zlib/@compression")] = None
    playback: Annotated[OnOff | None, At("playback/@compression")] = None
    streaming: Annotated[Literal["filter", "all", "off"] | None, At("streaming/@mode")] = None
    mouse: Annotated[Literal["server", "client"] | None, At("mouse/@mode")] = None
    clipboard: Annotated[YesNo | None, At("clipboard/@copypaste")] = None
    filetransfer: Annotated[YesNo | None, At("filetransfer/@enable")] = None
    gl: Gl | None = None
    audio: Annotated[int | None, At("audio/@id")] = None
