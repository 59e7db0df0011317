"""`test:///default`: a whole host in memory, for trying out and for testing what stands above.

The rule kept here: it answers as the QEMU driver would, errors included, and touches nothing of the
host; whatever is made in it ends with the process.
"""
