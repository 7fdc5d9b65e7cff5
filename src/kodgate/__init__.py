"""kodgate: the SDK's public names."""

__version__ = "0.1.0"
