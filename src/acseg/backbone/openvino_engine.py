"""The blocks of a backbone in OpenVINO, on the processor."""

import sys
import threading
from typing import Any

import torch
from torch import Tensor

from acseg.backbone.blocks import Blocks
from acseg.backbone.export_cache import export_key, kept_or_made
from acseg.backbone.quiet import quiet_export


class OpenVinoEngine:
    """Run blocks in OpenVINO; any number of images and of patches, from any thread.

    A batch of at least as many images as there are threads is cut into one part a thread: threads
    that need not wait for each other finish earlier. Fewer images share the threads.

    Parameters
    ----------
    blocks : Blocks
    example : tuple of torch.Tensor
        What the blocks take.
    precision : torch.dtype
        torch.bfloat16 or torch.float32.
    """

    def __init__(self, blocks: Blocks, example: tuple[Tensor, ...], precision: torch.dtype) -> None:
        # Importing OpenVINO reports to its makers unless this package is missing.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        self.threads = torch.get_num_threads()
        self.hint = "bf16" if precision == torch.bfloat16 else "f32"
        self.core = openvino.Core()
        self.model = read_or_convert(self.core, blocks, example)
        self.compiled: dict[int, Any] = {}  # by number of streams
        self.lock = threading.Lock()
        self.own = threading.local()  # requests of a thread, by number of streams

    def __call__(self, tokens: Tensor, *rotary: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (B, T, D) into tokens (B, N, D') and attention (B, N), float32."""
        streams = self.threads if len(tokens) >= self.threads else 1
        requests = self.requests(streams)
        parts = tokens.chunk(streams)  # at most that many
        rest = [r.numpy() for r in rotary]
        for request, part in zip(requests, parts):
            request.start_async([part.contiguous().numpy(), *rest], share_inputs=True)
        found = []
        for request, _ in zip(requests, parts):
            request.wait()
            found.append([torch.from_numpy(request.get_output_tensor(i).data) for i in (0, 1)])
        given, attention = (torch.cat(both) for both in zip(*found))  # copies: requests are reused
        return given, attention

    def requests(self, streams: int) -> list[Any]:
        """Give this thread's requests, one a stream."""
        kept = self.own.__dict__.setdefault("requests", {})
        if streams not in kept:
            compiled = self.compile(streams)
            kept[streams] = [compiled.create_infer_request() for _ in range(streams)]
        return kept[streams]

    def compile(self, streams: int) -> Any:
        """Compile the model for a number of streams, once."""
        with self.lock:
            if streams not in self.compiled:
                settings = {
                    "INFERENCE_PRECISION_HINT": self.hint,
                    "INFERENCE_NUM_THREADS": self.threads,
                    "NUM_STREAMS": streams,
                    "ENABLE_CPU_PINNING": False,  # other programs run on this machine too
                }
                self.compiled[streams] = self.core.compile_model(self.model, "CPU", settings)
        return self.compiled[streams]


def read_or_convert(core: Any, blocks: Blocks, example: tuple[Tensor, ...]) -> Any:
    """Read the model from the cache, or convert it and keep it there."""
    from openvino import save_model

    return kept_or_made(
        export_key(blocks),
        core.read_model,
        lambda: convert(blocks, example),
        lambda model, path: save_model(model, path, compress_to_fp16=False),
    )


def convert(blocks: Blocks, example: tuple[Tensor, ...]) -> Any:
    """Convert blocks to a model of OpenVINO, with any number of images and tokens.

    By way of the front end itself: `openvino.convert_model` reports each use to its makers.
    """
    from openvino import PartialShape, Type
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), quiet_export():
        traced = torch.jit.trace(blocks, example, check_trace=False)
        front = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # named: it must live until the end
        model = front.convert(front.load(decoder))
    shapes = [[-1, -1, example[0].shape[2]], *([-1, r.shape[1]] for r in example[1:])]
    for given, shape in zip(model.inputs, shapes, strict=True):
        given.get_node().set_partial_shape(PartialShape(shape))
        given.get_node().set_element_type(Type.f32)
    model.validate_nodes_and_infer_types()
    return model
