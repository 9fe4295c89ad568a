"""Attention in bands of rows: faster than torch's fused attention in bfloat16 on a processor.

Without AMX, torch's fused attention takes its products in float32, whatever it is given. Plain
matrix products in bfloat16 are several times faster, provided the scores between two of them stay
in the cache of the processor: hence a band of rows at a time. Measured: docs/performance.md.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

ROWS = 256  # queries in a band, measured at 785 and 3,137 tokens; 128 and 512 are a little slower


class BandedAttention(TorchFunctionMode):
    """Answer calls of fused attention inside the `with` by `banded_attention`, where it is faster.

    That is: bfloat16 on a processor, no mask, no dropout. All other calls go on to torch.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value", "mask"), args)) | kwargs
            plain = len(args) <= 4 and not any(
                named.get(name) for name in ("is_causal", "enable_gqa", "dropout_p")
            )
            masked = named.get("mask") is not None or named.get("attn_mask") is not None
            query = named["query"]
            here = query.device.type == "cpu" and query.dtype == torch.bfloat16
            if plain and here and not masked:
                return banded_attention(query, named["key"], named["value"], named.get("scale"))
        return func(*args, **kwargs)


def banded_attention(query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
    """Compute softmax(Q K^T * scale) V, a band of rows of Q after another.

    Parameters
    ----------
    query, key, value
        (B, heads, T, d), of one number type.
    scale
        Of the products; None means 1 / sqrt(d).

    Returns
    -------
    Tensor
        (B, heads, T, d), of that type.
    """
    b, heads, t, d = query.shape
    scale = d**-0.5 if scale is None else scale
    q = (query * scale).flatten(0, 1)  # (B * heads, T, d)
    k = key.flatten(0, 1).mT  # (B * heads, d, T)
    v = value.flatten(0, 1)
    out = torch.empty_like(q)
    for one in range(len(q)):
        for top in range(0, t, ROWS):
            band = slice(top, top + ROWS)
            weights = (q[one, band] @ k[one]).softmax(dim=-1)  # (ROWS, T)
            torch.mm(weights, v[one], out=out[one, band])
    return out.view(b, heads, t, d)
