"""Modules of records that are imported when the first of them is used.

The rule kept here: naming a record costs nothing; a program that lists domains loads the records of
that call and no others.
"""

from __future__ import annotations

import sys


class Later:
    """Stands for the module `name`; the first use of an attribute imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        __import__(self._name)  # importlib's function imports more than it does
        module = sys.modules[self._name]
        self.__dict__.update(module.__dict__)
        return getattr(module, attribute)
