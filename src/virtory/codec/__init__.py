"""Declarations compiled to codecs: an annotated class is the only description of a format.

The rule kept here: one declaration serves both directions, so reading and writing cannot disagree.
"""
