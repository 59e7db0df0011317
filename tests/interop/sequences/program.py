"""The same calls of libvirt's Python module for any daemon: `program.py URI SEQUENCE DIRECTORY`.

Prints one JSON line a call. Run by a Python that has libvirt's module; a sequence is a function of
one of the modules beside this one.
"""

import json
import sys
import threading

import blocks
import changes
import devices
import domains
import libvirt
import networks
import saves
import storage
from transcript import Transcript

MODULES = (domains, blocks, changes, devices, saves, storage, networks)


def main(uri, name, directory):
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    ended = threading.Event()

    def run():
        while not ended.is_set():
            libvirt.virEventRunDefaultImpl()

    loop = threading.Thread(target=run, daemon=True)
    loop.start()
    connection = libvirt.open(uri)
    transcript = Transcript(connection, directory)
    try:
        next(getattr(m, name) for m in MODULES if hasattr(m, name))(transcript)
    finally:
        for d in connection.listAllDomains():
            if d.isActive():
                d.destroy()
        for d in connection.listAllDomains():
            d.undefineFlags(7)
        for list_all in (connection.listAllNetworks, connection.listAllStoragePools):
            for thing in list_all():
                if thing.isActive():
                    thing.destroy()
            for thing in list_all():
                if thing.name() != "default":
                    thing.undefine()
    for line in transcript.lines:
        print(json.dumps(line))
    # A thread that is in libvirt's loop when the interpreter goes away crashes: it ends before.
    ended.set()
    libvirt.virEventAddTimeout(0, lambda *_: None, None)
    loop.join(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
