"""The blocks of a backbone in ONNX Runtime, on the processor, in float32."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acseg.backbone.blocks import Blocks
from acseg.backbone.export_cache import cached_export, export_key, forget
from acseg.backbone.quiet import quiet_export


class OnnxEngine:
    """Run blocks in ONNX Runtime; any number of images and of patches, from any thread.

    Parameters
    ----------
    blocks : Blocks
    example : tuple of torch.Tensor
        What the blocks take.
    """

    def __init__(self, blocks: Blocks, example: tuple[Tensor, ...]) -> None:
        self.names = ["tokens", "cos", "sin"][: len(example)]
        self.session = self.open(blocks, example)

    def __call__(self, tokens: Tensor, *rotary: Tensor) -> tuple[Tensor, Tensor]:
        """Turn tokens (B, T, D) into pixels (B, N, D) and attention (B, N), float32."""
        inputs = [t.contiguous().numpy() for t in (tokens, *rotary)]
        pixels, attention = self.session.run(None, dict(zip(self.names, inputs)))
        return torch.from_numpy(pixels), torch.from_numpy(attention)

    def open(self, blocks: Blocks, example: tuple[Tensor, ...]) -> Any:
        """Open the model of the cache, or export it into the cache first."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        key = export_key(blocks, ("onnx", "onnxscript", "torch", "transformers"))

        def write(path: Path) -> None:
            export_blocks(blocks, example, self.names, path)

        for last in (False, True):
            path = cached_export(key, "model.onnx", write)
            try:
                return onnxruntime.InferenceSession(
                    path, options, providers=["CPUExecutionProvider"]
                )
            except Exception:  # its errors share no class; cut off, or another kind
                if last:
                    raise
                forget(path)
        raise AssertionError("not reached")


def export_blocks(
    blocks: Blocks, example: tuple[Tensor, ...], names: list[str], path: Path
) -> None:
    """Write blocks as an ONNX file, with any number of images and tokens."""
    batch, patches = torch.export.Dim("batch", min=1), torch.export.Dim("patches", min=2)
    shapes: list[Any] = [{0: batch, 1: patches + blocks.vit.prefix}]
    if len(example) > 1:
        shapes += [{0: patches}, {0: patches}]
    with torch.no_grad(), quiet_export():
        torch.onnx.export(
            blocks,
            example,
            path,
            input_names=names,
            output_names=["pixels", "attention"],
            dynamic_shapes=tuple(shapes),
            dynamo=True,
            external_data=sum(w.numel() for w in blocks.parameters()) > 4e8,  # 2 GB a file
            optimize=False,  # ONNX Runtime does it when it opens the file
            verbose=False,
        )
