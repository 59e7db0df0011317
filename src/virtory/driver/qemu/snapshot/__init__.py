"""Snapshots of domains: taken, gone back to, deleted; inside images and beside them.

The rule kept here: each step is written down before it is done; a mender ends or undoes it.
"""
