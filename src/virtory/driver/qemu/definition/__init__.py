"""Passes over a definition: what it leaves unsaid, where devices sit, what can not be given.

The rule kept here: pure; a definition in, another one or a list of problems out.
"""
