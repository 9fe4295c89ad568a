"""The two ends of the exported graph, in ONNX's own text: photographs in, label maps out."""

from typing import Any

from acseg.images.batch import LONGEST

OPSET = 18  # the first whose Resize is antialiased
VERSIONS = f'<ir_version: 10, opset_import: ["": {OPSET}]>'

PREPARE = """
prepare (uint8[B, H, W, 3] photos) =>
    (float[B, 3, h, w] images, int64[2] size)
<double side = {{{side}}}, double longest = {{{longest}}}, double patch = {{{patch}}},
 double one = {{1}}, float zero = {{0}}, float white = {{255}}, float full = {{1}}>
{{
    size = Shape <start = 1, end = 3> (photos)
    sides = Cast <to = 11> (size)
    short = ReduceMin <keepdims = 0> (sides)
    long = ReduceMax <keepdims = 0> (sides)
    by_short = Div (side, short)
    by_long = Div (longest, long)
    scale = Min (by_short, by_long)
    wished = Mul (sides, scale)
    exact = Div (wished, patch)
    rounded = Round (exact)
    patches = Max (rounded, one)
    fitted = Mul (patches, patch)
    whole = Cast <to = 7> (fitted)
    upright = Transpose <perm = [0, 3, 1, 2]> (photos)
    values = Cast <to = 1> (upright)
    colours = Div (values, white)
    outer = Shape <start = 0, end = 2> (colours)
    sizes = Concat <axis = 0> (outer, whole)
    resized = Resize <mode = "linear", antialias = 1, exclude_outside = 1> (colours, , , sizes)
    images = Clip (resized, zero, full)
}}
"""

DRAW = """
draw (int64[2] shape, float[B, k, h, w] maps{table_in}) =>
    (uint8[B, H, W] concepts{table_out})
<int64 none = {{0}}, int64 once = {{1}}, int64 across = {{1}}>
{{
    outer = Shape <start = 0, end = 2> (maps)
    sizes = Concat <axis = 0> (outer, shape)
    upsampled = Resize <mode = "linear"> (maps, , , sizes)
    nearest = ArgMax <axis = 1, keepdims = 0> (upsampled)
    flat = Flatten <axis = 1> (nearest)
    length = Shape (flat)
    drawn = Shape (nearest)
    absent = Expand (none, outer)
    ones = Expand (once, length)
    present = ScatterElements <axis = 1, reduction = "max"> (absent, flat, ones)
    counted = CumSum (present, across)
    compact = Sub (counted, once)
    labels = GatherElements <axis = 1> (compact, flat)
    label_map = Reshape (labels, drawn)
    concepts = Cast <to = 2> (label_map)
    {paint}
}}
"""

PAINT = """painted = GatherElements <axis = 1> (table, flat)
    class_map = Reshape (painted, drawn)
    classes = Cast <to = 2> (class_map)"""


def prepare_graph(side: int, multiple: int) -> Any:
    """Write `acseg.images.batch.to_tensor` as ONNX.

    Parameters
    ----------
    side, multiple : int
        As for `acseg.images.batch.fitted_size`.

    Returns
    -------
    onnx.ModelProto
        From "photos" (B, H, W, 3) uint8 to "images" (B, 3, h, w) float32 in 0..1, and "size",
        (H, W) int64.
    """
    from onnx import parser

    return parser.parse_model(
        VERSIONS + PREPARE.format(side=side, longest=LONGEST * side, patch=multiple)
    )


def draw_graph(classified: bool) -> Any:
    """Write `acseg.concepts.assignment.upsample_assignment`, and painting the classes, as ONNX.

    Parameters
    ----------
    classified : bool
        Whether there are classes.

    Returns
    -------
    onnx.ModelProto
        From "shape", (H, W) int64, "maps" (B, k, h, w) and, if `classified`, "table" (B, k) int64,
        to "concepts" and, if `classified`, "classes", both (B, H, W) uint8.
    """
    from onnx import parser

    text = DRAW.format(
        table_in=", int64[B, k] table" if classified else "",
        table_out=", uint8[B, H, W] classes" if classified else "",
        paint=PAINT if classified else "",
    )
    return parser.parse_model(VERSIONS + text)
