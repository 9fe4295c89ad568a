"""What both tabs of the page need."""

from importlib import resources
from typing import Any

NONE = -1  # "all classes", "no sample"


def asset(name: str) -> str:
    """Read a script or style sheet of the page."""
    return (resources.files("acseg.app") / name).read_text(encoding="utf-8")


def listen(event: Any, function: Any, **settings: Any) -> Any:
    """Join an event to a function, without making it part of a public interface."""
    return event(function, api_visibility="private", show_progress="minimal", **settings)
