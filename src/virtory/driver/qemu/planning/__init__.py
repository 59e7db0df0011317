"""What one start takes of the host, chosen: a file for each kind of thing.

The rule kept here: a plan is only made; `resources` takes what it names once it is on disk.
"""
