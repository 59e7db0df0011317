"""The images virtory can make by itself: a table from name to maker.

The rule kept here: a recipe is data; the makers live in `debian` and `tiny`.
"""

from __future__ import annotations
