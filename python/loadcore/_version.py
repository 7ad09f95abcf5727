"""The version, in the one place that the package reads it from."""

__version__ = "0.1.0"
