"""Contact sheets: many photographs beside their overlays on one page."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_GAP = 12  # pixels between and around the pairs
_SEAM = 4  # pixels between the two of a pair
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)


def contact_sheet(
    pairs: Sequence[tuple[Image.Image, Image.Image, str]],
    *,
    columns: int = 3,
    side: int = 240,
) -> Image.Image:
    """Draw a grid of photograph and overlay, side by side, with a caption below each pair.

    Parameters
    ----------
    pairs : sequence of (photograph, overlay, caption)
        One or more. Pictures keep their shape; a caption too long for its place is cut.
    columns : int, default 3
        Pairs in a row; 2 to 6.
    side : int, default 240
        Width and height in pixels of the box that each picture fits in; 120 to 480.

    Returns
    -------
    PIL image of mode RGB

    Raises
    ------
    ValueError
        If there is no pair, or a setting is below 1.
    """
    if not pairs or columns < 1 or side < 1:
        raise ValueError(
            f"needs a pair, a column and a pixel: {len(pairs)} pairs, {columns=}, {side=}"
        )
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    font = ImageFont.load_default(size=max(10, side // 16))
    line = max(14, side // 10)
    fitted = [(_fit(photo, side), _fit(drawn, side), text) for photo, drawn, text in pairs]
    heights = [
        max(photo.height for photo, _, _ in fitted[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]
    wide, high = 2 * side + _SEAM, line + _GAP
    sheet = Image.new(
        "RGB", (_GAP + columns * (wide + _GAP), _GAP + sum(heights) + rows * high), _PAPER
    )
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for row in range(rows):
        for column, (photo, drawn, text) in enumerate(fitted[row * columns : (row + 1) * columns]):
            left = _GAP + column * (wide + _GAP)
            sheet.paste(photo, (left + side - photo.width, top + heights[row] - photo.height))
            sheet.paste(drawn, (left + side + _SEAM, top + heights[row] - drawn.height))
            place = (left + wide // 2, top + heights[row] + line // 2)
            draw.text(place, _cut(text, font, wide), _INK, font=font, anchor="mm")
        top += heights[row] + high
    return sheet


def _fit(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Shorten a caption in its middle until it fits."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    keep = len(text)
    while keep > 2:
        keep -= 1
        cut = text[: keep // 2] + "..." + text[len(text) - (keep + 1) // 2 :]
        if font.getlength(cut) <= width:
            return cut
    return "..."
