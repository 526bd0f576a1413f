"""What can be wrong with settings; apart from the settings so that the command line starts without them."""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting that does not exist or has a wrong value; one sentence."""
