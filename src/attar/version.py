"""The version, which modules at any height may name."""

__version__ = "0.1.0"
