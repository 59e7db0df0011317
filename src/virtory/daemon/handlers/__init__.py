"""Decode → driver → encode: one file per kind, one function per procedure, no logic."""
