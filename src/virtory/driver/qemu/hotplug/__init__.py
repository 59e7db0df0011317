"""What comes to a running machine, changes in it and leaves it.

The rule kept here: the objects that a start would make, made one by one, written down before.
"""
