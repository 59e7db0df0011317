"""What things are: frozen values that mirror libvirt's XML, constants, states and events.

The rule kept here: a model touches nothing: no files, no sockets, no clock, no other layer.
"""
