"""Colours of labels: the same for the same label always, apart for colour-blind readers too."""

from collections.abc import Mapping

import numpy as np

VOID = 255
"""The label of pixels that belong to nothing; drawn black, or left as the photograph is."""

# First the qualitative set of Okabe and Ito without black. Each further one is, of a fixed grid of
# colours neither very dark nor very light, the one farthest (Oklab) from all before it, where a
# distance is the smallest of those that people of normal and of the three kinds of colour-blind
# vision see. tests/output/test_palette.py works them out.
_COLOURS = np.frombuffer(
    bytes.fromhex(
        "0072b2f0e442d55e0056b4e9e69f00009e73cc79a79210107dffe9673b673b10d4bebea8a851ff676767a8d4ff"
        "be2610e9be67a87dffd410d4673ba81010ffa8ff92a8a892925192e97d3bd4d4be677d7d7d92d4d492beff7dff"
        "a8263ba87d513bd4d410673bd41051267dd4d4e9be92109292be7da8d49292e9e9ff3b51be5110d410a8be67a8"
        "7d107d7d3bbee9d410a8e97d7d3bff927dbe923b7dff26d4e967101092e96710a8d4be26ffa8d4be2667a851be"
        "7d929292a8677dd45151a87d7d7d67265192be67e9a810e9513bd47dff6751beff92a8d4d4a8be9210676710be"
        "ff7da87d673b516751be5192bea851e992e91067a87d677de951ffd4bee9e951bebe7d67e9a8927d3b5110e9a8"
        "e9d4d410677dbee9ff925151bebeffd47d7da8be67519251927d3b7d67e9a8677d7dbe1051be519292e9bee9a8"
        "6710e97d51107dd4be92a8a87de992d47dff67bea8d46751d43bd451513be91026d47dbed4d46792d47d109226"
        "ff51929267263b672610d492e9bebe7d51677de9d451ff3ba83bbe10a8a851a810ffbeff92ffa867d426bebed4"
        "5151e9be6767e93bbeff67d467e93be9e97dbe923b67a892a81092ff7dd4bed4a89267927d3b26ffbea87d267d"
        "7d10ffbed4e9e9a8e97d7dff6767a810ffbe923ba87d92267d26be26be7dd43b67e9d492a83b26677d3bd4a83b"
        "3ba8d410a86767be677dbe923b7d51d4a8ffa8bee9a851e99267a8e9a81010e967a87d7dbed410e967a8ff927d"
        "67e9ffe967d4927de9a83bff67a8517dbebea89267927d92926767a826d4bee967ff3be9d426be67519267ff7d"
        "e97d7d676726e96767d451bea8921092517dd4e9927de95192a8ff92a8105192a83b923be910d4be7d92a892be"
        "d4a87d923b3b26a8ffff92be3b6792e9923b10bebe9226106726a8107d3ba82692677dd492ff515126d4a8267d"
        "1010e9bed47d92d4a8e992beff6751a8261051517d92d4d4be6792d492e9d467a8a867a8a867d4e9a867922651"
        "d492267dbee9e9e91010d451d4513b927d7da86726a8e926ff7d92517d266751677d92677d92a8bee9e9925110"
    ),
    np.uint8,
).reshape(-1, 3)


def colour(label: int) -> tuple[int, int, int]:
    """Return the colour of a label, red, green, blue in 0..255; void is black."""
    if label == VOID:
        return (0, 0, 0)
    red, green, blue = _COLOURS[label % VOID].tolist()
    return red, green, blue


def palette(n: int) -> np.ndarray:
    """Return the colours of labels 0..n-1; those of a label do not depend on `n`.

    From 255 on the colours repeat.

    Parameters
    ----------
    n : int
        Number of colours, 0 or more.

    Returns
    -------
    (n, 3) uint8
    """
    return _COLOURS[np.arange(n) % VOID].copy()


def colour_table(given: Mapping[int, tuple[int, int, int]]) -> np.ndarray:
    """Colour labels 0..254: as given, else by the palette; no colour given is used once more.

    Returns
    -------
    (255, 3) uint8
    """
    table = palette(VOID)
    taken = set(given.values())
    usual = [(red, green, blue) for red, green, blue in table.tolist()]
    spare = [usual[label] for label in sorted(given) if usual[label] not in taken]
    for label in range(VOID):
        if label in given:
            table[label] = given[label]
        elif usual[label] in taken:
            table[label] = spare.pop(0)
    return table
