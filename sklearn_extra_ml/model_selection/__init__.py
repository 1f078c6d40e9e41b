"""Choosing parameters."""

from ._no_split import NoSplit

__all__ = ["NoSplit"]
