"""The bundled model: where it is, and which settings its backbone brings."""

from dataclasses import replace
from pathlib import Path

from acseg.run import read_config
from acseg.settings import Settings

BUNDLED = Path(__file__).parent / "bundled"
# What the bundled backbone fills in.
OPEN = ("side", "stride", "rounds", "merge", "ground", "descriptor")


def fill_in(settings: Settings) -> Settings:
    """Fill in, for the bundled backbone, what it was measured to need and the user left open."""
    if settings.backbone != "bundled":
        return settings
    own, _ = read_config(BUNDLED)
    left = [name for name in OPEN if getattr(settings, name) is None]
    if settings.merge is not None:
        left = [name for name in left if name != "ground"]  # it goes with the bundled threshold
    return replace(settings, **{name: getattr(own, name) for name in left})
