"""Storage pools and volumes of this host.

The rule kept here: a volume appears under its name whole or not at all, and nothing that a guest
may have written (a header that names another file) is followed without a decision.
"""
