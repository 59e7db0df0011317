"""Domains for real: QEMU processes, run and watched by this daemon.

The rule kept here: what can be decided without a QEMU is decided in pure modules (`plan`,
`command_line`, `devices`); only `resources`, `process`, `monitor` and `guest` touch the host.
"""
