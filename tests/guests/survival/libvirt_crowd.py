"""libvirt's own clients, in threads: `libvirt_crowd.py URI CLIENTS`, for a Python that has libvirt.

Each asks until its connection is lost. Prints `begun` when each has had an answer, then how many
were told of the loss; after a line on its input it connects again, and prints what it then finds.
"""

import sys
import threading

import libvirt


def main(uri, clients):
    libvirt.registerErrorHandler(lambda *_: None, None)
    answered = threading.Barrier(clients + 1)
    told = []
    threads = [
        threading.Thread(target=ask, args=(uri, answered, told), daemon=True)
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    answered.wait()
    print("begun", flush=True)
    for thread in threads:
        thread.join(60)
    print(f"told {sum(told)}", flush=True)
    sys.stdin.readline()
    connection = libvirt.open(uri)
    found = sorted((domain.name(), domain.ID()) for domain in connection.listAllDomains())
    print(found, flush=True)


def ask(uri, answered, told):
    connection = libvirt.open(uri)
    connection.listAllDomains()
    answered.wait()
    try:
        while True:
            for domain in connection.listAllDomains():
                domain.info()
                domain.XMLDesc()
            connection.getHostname()
    except libvirt.libvirtError:
        told.append(True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
