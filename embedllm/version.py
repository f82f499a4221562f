"""The one place that holds the version: packaging, `--version` and artifacts read it from here."""

__version__ = "0.1.0"
