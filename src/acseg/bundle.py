"""The bundled model: where it is, and which settings its backbone brings."""

from dataclasses import replace
from pathlib import Path

from acseg.run import read_config
from acseg.settings import Settings

BUNDLED = Path(__file__).parent / "bundled"
OPEN = ("side", "stride", "rounds", "merge", "descriptor")  # that the bundled backbone fills in


def fill_in(settings: Settings) -> Settings:
    """Fill in, for the bundled backbone, what it was measured to need and the user left open."""
    if settings.backbone != "bundled":
        return settings
    own, _ = read_config(BUNDLED)
    left = [name for name in OPEN if getattr(settings, name) is None]
    return replace(settings, **{name: getattr(own, name) for name in left})
