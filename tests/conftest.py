"""What several tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs beside the project; tests that need it skip without it."""
    if not (SHARED / "labelled").is_dir():
        pytest.skip("needs the photographs in ../shared, which are not beside this checkout")
    return SHARED
