"""Calls made through libvirt's Python module, and what they answered.

The rule kept here: what a daemon chooses by itself (numbers, addresses, times, its paths) is
replaced by a word; everything else that it answers is written down.
"""

import os
import re
import subprocess
import sys
import threading

import libvirt

UUID = "11111111-2222-3333-4444-55555555555%d"
DOMAIN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>32</memory><vcpu current='1'>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}</devices></domain>"""
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>"
    "<source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>"
)


BY_HOST = [libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_HOST]
REPLACED = (
    (re.compile(r"<(creationTime)>[^<]*</creationTime>"), r"<\1/>"),
    (re.compile(r"52:54:00:[0-9a-f:]{8}"), "MAC"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"<(owner|group|atime|mtime|ctime|btime|label)>[^<]*</\1>"), r"<\1/>"),
)


class Transcript:
    """Calls and their answers, and the events that came, in order."""

    def __init__(self, connection, directory):
        self.c = connection
        self.directory = directory
        self.lines = []
        self.events = []
        self._ended = threading.Event()

    def add(self, label, answer):
        self.lines.append([label, self.plain(answer)])

    def plain(self, answer):
        """Without what each daemon chooses by itself."""
        if isinstance(answer, str):
            answer = answer.replace(self.directory, "DIRECTORY")
            for pattern, word in REPLACED:
                answer = pattern.sub(word, answer)
            return answer
        if isinstance(answer, (list, tuple)):
            return [self.plain(one) for one in answer]
        if isinstance(answer, dict):
            return {key: self.plain(value) for key, value in sorted(answer.items())}
        if isinstance(answer, (bool, int, float, type(None))):
            return answer
        return type(answer).__name__

    def __call__(self, label, function, *arguments):
        """Make a call: what it returned, or None after an error, whose code is written down."""
        try:
            answer = function(*arguments)
        except libvirt.libvirtError as error:
            self.add(label, {"error": error.get_error_code(), "level": error.get_error_level()})
            if os.environ.get("SEQUENCES_VERBOSE"):
                print(label, "->", error, file=sys.stderr)
            return None
        self.add(label, answer)
        return answer

    def path(self, name):
        return os.path.join(self.directory, name)

    def define(self, name, number=1, devices="", label=None):
        xml = DOMAIN.format(name=name, uuid=UUID % number, devices=devices)
        return self(label or f"define {name}", self.c.defineXML, xml)

    def image(self, name, format="qcow2", size="8M"):
        path = self.path(name)
        subprocess.run(["qemu-img", "create", "-q", "-f", format, path, size], check=True)
        os.chmod(path, 0o666)
        return path

    # -- events ------------------------------------------------------------------------------
    def listen(self):
        """From here on, lifecycle and similar events of domains, networks and pools."""
        c = self.c

        def lifecycle(conn, domain, event, detail, opaque):
            if domain.name() == "sentinel":
                if event == libvirt.VIR_DOMAIN_EVENT_DEFINED:  # its end is told to the next one
                    self._ended.set()
            else:
                self.events.append(["lifecycle", domain.name(), event, detail])

        def by(kind):
            def told(conn, thing, event, detail, opaque):
                if thing.name() != "default":  # virtoryd always has this network
                    self.events.append([kind, thing.name(), event])

            return told

        c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
        c.domainEventRegisterAny(
            None,
            libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
            lambda conn, domain, kind, uri, o: self.events.append(
                ["metadata", domain.name(), kind, uri]
            ),
            None,
        )
        for number, kind in ((19, "added"), (15, "removed")):
            c.domainEventRegisterAny(
                None,
                number,
                lambda conn, domain, alias, o, kind=kind: self.events.append(
                    [kind, domain.name(), alias]
                ),
                None,
            )
        c.domainEventRegisterAny(
            None,
            libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
            lambda conn, domain, found, o: self.events.append(
                ["job", domain.name(), found["operation"]]
            ),
            None,
        )
        c.domainEventRegisterAny(
            None,
            libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE,
            lambda conn, domain, alias, why, o: self.events.append(
                ["tray", domain.name(), alias, why]
            ),
            None,
        )
        c.networkEventRegisterAny(None, 0, by("network"), None)
        c.storagePoolEventRegisterAny(None, 0, by("pool"), None)
        c.storagePoolEventRegisterAny(
            None, 1, lambda conn, pool, o: self.events.append(["refreshed", pool.name()]), None
        )

    def heard(self, label="events"):
        """Write down the events so far: those before the definition of a last domain."""
        self._ended.clear()
        last = self.c.defineXML(DOMAIN.format(name="sentinel", uuid=UUID % 9, devices=""))
        assert self._ended.wait(60)
        last.undefine()
        self.add(label, self._steady())
        self.events = []

    def _steady(self):
        """The events, without what libvirtd tells only when it hears of it before the end.

        QEMU that is destroyed still says that it shuts down, by the host.
        """
        ended = [libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED]
        kept = []
        for event in self.events:
            if event[2:] == ended and kept and kept[-1] == [*event[:2], *BY_HOST]:
                kept.pop()
            kept.append(event)
        return kept


def states(t, d, label="state"):
    t(label, d.state)
    t("active, persistent, updated", lambda: [d.isActive(), d.isPersistent(), d.isUpdated()])
