"""The Triton kernel, in Triton's interpreter on the CPU, against the sweep over tiles."""

import importlib.util
import os
import subprocess
import sys

import pytest

CHECK = """
import torch
from acseg.concepts.modularity_tiles import make_graph, tiled_degrees, tiled_gains
from acseg.concepts.modularity_triton import triton_degrees, triton_gains

def check(batch, n, k, dim, self_affinity, bfloat16, zero=False):
    generator = torch.Generator().manual_seed(n)
    shift = torch.randn(batch, 1, dim, generator=generator) / 2
    pixels = torch.randn(batch, n, dim, generator=generator) + shift
    if zero:
        pixels[0] = 0
    x = torch.nn.functional.normalize(pixels, dim=2)
    concepts = torch.randn(batch, k, dim, generator=generator) + shift
    c = torch.nn.functional.normalize(concepts, dim=2)
    positive = (c @ x.mT).clamp(min=0)
    graph = make_graph(x, self_affinity=self_affinity, bfloat16=bfloat16)
    degrees = tiled_degrees(graph, 16)
    # tiles round each bfloat16 affinity, the kernel does not
    close = {"rtol": 2e-2, "atol": 2e-2} if bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(triton_degrees(graph), degrees, **close)
    plain, plain_totals = tiled_gains(graph, positive, None, 16)
    for known in (None, degrees):
        gains, totals = triton_gains(graph, positive, known)
        torch.testing.assert_close(totals, plain_totals, **close)
        # where S+ is 0 there is no gradient, and the kernel may leave anything finite
        torch.testing.assert_close(gains * (positive > 0), plain, **close)

check(2, 50, 5, 24, True, False)          # N and D not a multiple of a block
check(1, 33, 1, 7, False, False)
check(1, 64, 32, 16, True, False)
check(2, 20, 3, 40, False, False, zero=True)
check(1, 1, 2, 3, True, False)
check(2, 40, 5, 24, True, True)
print("done")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_kernel_in_the_interpreter_gives_what_the_tiles_give():
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "done"
