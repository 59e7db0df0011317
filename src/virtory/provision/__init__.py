"""What goes into a machine: images, seeds, keys, and the wait until it is ready.

The rule kept here: provisioning is an ordinary client. It talks to a daemon only through
`virtory.client`, and keeps its own files in its own directories.
"""
