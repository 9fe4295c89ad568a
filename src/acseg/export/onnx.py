"""A model as one ONNX file, from photographs to label maps.

`onnx_edges` holds the two ends, `onnx_core` the middle; here they are put together.
"""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch

from acseg import __version__
from acseg.backbone.quiet import quiet_export
from acseg.backbone.vit import TransformersVit
from acseg.classes.ids import drawn_ids
from acseg.errors import DataError
from acseg.export.onnx_core import Core
from acseg.export.onnx_edges import OPSET, draw_graph, prepare_graph
from acseg.model import ACSeg
from acseg.output.atomic import write_atomic

LARGEST = 2**31 - 2**20  # bytes in one file; protobuf allows no more


def export_onnx(given: str | Path | ACSeg, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a model as one ONNX file, its preprocessing included.

    The input "photos" is (B, H, W, 3) uint8 RGB, upright, of any size and number. The output
    "concepts" is (B, H, W) uint8, the labels 0..n-1 of `ACSeg.segment`. A model with classes has
    the output "classes" besides, (B, H, W) uint8, what `ACSeg.predict` draws; 255 is void. The
    metadata "acseg" holds names of classes and settings as JSON.

    Labels are drawn as with ``edges=False``: scores are upsampled and compared, without the step
    along the photograph's edges. Computed in float32. Pictures are taken whole: tiles, bands and
    stretch are not part of the graph. It holds the cosines of all tokens, (B, N, N) float32, so
    large pictures take memory.

    Parameters
    ----------
    given : path or ACSeg
        A model folder that `fit` wrote, or a model in memory.
    path : path
        The file, with a name ending in .onnx.
    overwrite : bool, default False
        Replace a file that is there.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    DataError
        If the name does not end in .onnx, the file is there, a library is missing, or the model
        cannot be exported: the exact division is no graph of fixed operations, and descriptors
        of crops need a second pass over the picture; so are backbones of timm, and models over
        2 GB.
    ModelError
        If the model folder is broken.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise DataError(f"{path}: the name of an ONNX file ends in .onnx")
    if path.exists() and not overwrite:
        raise DataError(f"{path} is there already; --overwrite replaces it")
    missing = [m for m in ("onnx", "onnxscript") if importlib.util.find_spec(m) is None]
    if missing:
        raise DataError(f"{missing[0]} is not installed: pip install 'acseg[onnx]'")
    model = _in_float32(given)
    core = build_core(model)
    size = sum(w.numel() * w.element_size() for w in core.state_dict().values())
    if size > LARGEST:
        raise DataError(f"{size / 1e9:.1f} GB of weights do not fit in one ONNX file of 2 GB")
    return write_atomic(path, build_graph(model, core).SerializeToString())


def build_core(model: ACSeg) -> Core:
    """Take from a model what the middle of the graph needs.

    Raises
    ------
    DataError
        If it cannot be exported.
    """
    settings, backbone = model.settings, model.pipeline.backbone
    if not isinstance(backbone.vit, TransformersVit):
        raise DataError(f"the backbone {backbone.name!r} comes from timm and is not exported")
    if model.generator_ is None:
        raise DataError(
            "this model divides pictures by moves on their graphs, which no graph of fixed "
            "operations holds; fit with --steps 1000, which trains a generator"
        )
    centres = None
    if model.centres_ is not None:
        if settings.classifying.descriptor != "mean-token":
            raise DataError(
                "this model tells classes apart by crops, which are encoded again; one graph does "
                "not hold that. Fit with --set descriptor=mean-token"
            )
        centres = torch.nn.functional.normalize(torch.from_numpy(model.centres_).float(), dim=1)
    if settings.dividing.granularity != 0.5:
        raise DataError("only granularity 0.5, the picture's own threshold, is exported")
    return Core(
        backbone,
        model.generator_,
        centres=centres,
        drawn=torch.from_numpy(drawn_ids(model.becomes_)).long(),
        foreground=model.foreground_,
    ).eval()


def build_graph(model: "ACSeg", core: Core) -> Any:
    """Put the two ends and the middle together.

    Returns
    -------
    onnx.ModelProto
    """
    import onnx
    from onnx import compose

    start, end = (
        prepare_graph(model.pipeline.side, model.pipeline.backbone.patch),
        draw_graph(core.classified),
    )
    middle = export_core(core, model.pipeline.backbone.patch)
    middle.ir_version = start.ir_version
    for part, name in ((start, "prepare"), (middle, "model"), (end, "draw")):
        compose.add_prefix(
            part, f"{name}/", rename_inputs=False, rename_outputs=False, inplace=True
        )
    graph = compose.merge_models(start, middle, io_map=[("images", "core_images")])
    links = [("size", "shape"), ("core_maps", "maps"), ("core_table", "table")]
    graph = compose.merge_models(graph, end, io_map=links[: 2 + core.classified])
    onnx.checker.check_model(graph)
    facts = {
        "acseg": __version__,
        "settings": model.settings.to_json(),
        "names": {str(c): name for c, name in sorted(model.names_.items())},
    }
    onnx.helper.set_model_props(graph, {"acseg": json.dumps(facts, ensure_ascii=False)})
    return graph


def export_core(core: Core, patch: int) -> Any:
    """Export the middle of the graph, with any number of images and any multiple of the patch."""
    from torch.export import Dim

    example = torch.zeros(2, 3, 5 * patch, 7 * patch)  # of sizes that no checkpoint was trained at
    down, across = Dim("down", min=2), Dim("across", min=2)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # has no ONNX form
    try:
        with torch.no_grad(), quiet_export():
            sizes = ({0: Dim("batch", min=1), 2: patch * down, 3: patch * across},)
            # Not by `torch.onnx.export`, which fixes sizes that it cannot leave open, and says no
            # word of it.
            whole = torch.export.export(core, (example,), dynamic_shapes=sizes)
            program = torch.onnx.export(
                whole,
                input_names=["core_images"],
                output_names=["core_maps", "core_table"][: 1 + core.classified],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    assert program is not None  # noqa: S101  # it is where no file is named
    return program.model_proto


def _in_float32(given: str | Path | ACSeg) -> ACSeg:
    """Load a model, or take the parts of one in memory, in torch, float32, on the processor."""
    how = {"device": "cpu", "precision": "float32", "runtime": "torch"}
    if isinstance(given, str | Path):
        return ACSeg.from_pretrained(given, **how)
    parameters: dict[str, Any] = {**given.get_params(), **how}
    model = ACSeg(**parameters)
    model.centres_, model.foreground_ = given.centres_, given.foreground_
    model.names_, model.becomes_ = given.names_, given.becomes_
    generator = given.generator_
    model.generator_ = None if generator is None else copy.deepcopy(generator).cpu().float()
    return model
