"""What this host is and has: processors, memory, firmware, the worth of its /dev/kvm.

The rule kept here: the kernel and files are asked, never a guest.
"""
