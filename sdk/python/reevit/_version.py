"""The version, for the package's build and for the header that tells it to the server."""

__version__ = "1.0.0"
