"""What travels between libvirt's clients and daemons, and ours.

The rule kept here: bytes in, values out. Nothing below this package opens a socket, waits, reads a
clock or touches a file.
"""
