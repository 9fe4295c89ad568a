import numpy as np
import pytest
from PIL import Image

from acseg.report.sheet import contact_sheet


def pair(width: int, height: int, text: str) -> tuple[Image.Image, Image.Image, str]:
    size = (width, height)
    return Image.new("RGB", size, (200, 0, 0)), Image.new("RGB", size, (0, 0, 200)), text


def test_every_pair_is_on_the_sheet() -> None:
    sheet = contact_sheet(
        [pair(60, 40, "one"), pair(40, 60, "two"), pair(900, 90, "3")], columns=2, side=50
    )
    pixels = np.asarray(sheet).astype(int)
    red = (pixels == [200, 0, 0]).all(-1).sum()
    assert red == 50 * 33 + 33 * 50 + 50 * 5
    assert (pixels == [0, 0, 200]).all(-1).sum() == red
    assert sheet.width == 12 + 2 * (2 * 50 + 4 + 12)


def test_captions_are_drawn_and_cut_to_their_place() -> None:
    bare = np.asarray(contact_sheet([pair(60, 40, "")], side=60))
    long = np.asarray(contact_sheet([pair(60, 40, "w" * 300)], side=60))
    assert long.shape == bare.shape
    assert (long != bare).any()
    assert (long[:, :12] == 255).all()


def test_names_in_any_script_do_not_crash() -> None:
    contact_sheet([pair(60, 40, "照片 1 \n Straße")])


def test_no_place_for_any_letter() -> None:
    assert contact_sheet([pair(60, 40, "wwwwww")], side=1).size[0] > 0


@pytest.mark.parametrize("settings", [{"columns": 0}, {"side": 0}])
def test_errors(settings: dict) -> None:
    with pytest.raises(ValueError, match="needs a pair"):
        contact_sheet([pair(9, 9, "")], **settings)
    with pytest.raises(ValueError, match="0 pairs"):
        contact_sheet([])
