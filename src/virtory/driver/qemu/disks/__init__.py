"""The images of disks: their chains, and the jobs that merge, copy and pull them.

The rule kept here: a format is what a definition or a chain says, never what a guest wrote.
"""
