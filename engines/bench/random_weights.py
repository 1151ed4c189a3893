"""Random bytes that are valid quantized weights.

The quantized numbers are random bytes; the half-precision scale in front of (or behind) them is
chosen so that a row of weights has a length of about one, as in a trained model's layers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from engines.model_files.ggml_types import GGML_TYPES

F32, F16, Q8_0, Q4_K, Q6_K = 0, 1, 8, 12, 14
_PIECE_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """Where a block keeps its scales, and how large its weights are at a scale of one.

    Args:
        spread: Standard deviation of a weight made of random bytes with all scales at one.
        scale_offsets: Byte positions of the half-precision scales in a block.
    """

    spread: float
    scale_offsets: tuple[int, ...]


# Layouts: ggml-common.h. Random bytes are uniform: int8 has a deviation of 74; Q4_K's 4-bit
# numbers times 6-bit scales less 6-bit minima one of 310, Q6_K's 6-bit times int8 one of 1370.
_LAYOUTS = {
    Q8_0: BlockLayout(74, (0,)),
    Q4_K: BlockLayout(310, (0, 2)),
    Q6_K: BlockLayout(1370, (208,)),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which type each matrix gets.

    Args:
        file_type: `general.file_type` of such a file.
        main: The type of most matrices.
        finer: The type of those that llama.cpp keeps in more bits.
    """

    file_type: int
    main: int
    finer: int

    def type_of(self, name: str) -> int:
        """As llama.cpp's Q4_K_M does in half of the layers: output, values and down projection."""
        layer = int(name.split(".")[1]) if name.startswith("blk.") else 0
        is_fine = name.endswith(("attn_v", "ffn_down", "ffn_down_exps")) and layer % 2 == 0
        return self.finer if name == "output" or is_fine else self.main


FILE_TYPES = {"Q8_0": Recipe(7, Q8_0, Q8_0), "Q4_K_M": Recipe(15, Q4_K, Q6_K)}


def random_blocks(type_id: int, rows: int, columns: int, seed: str) -> Iterator[bytes]:
    """Bytes of a random matrix of `rows` x `columns` in pieces; equal seeds give equal bytes."""
    import numpy as np

    random = np.random.default_rng(zlib.crc32(seed.encode()))
    if type_id == F32:
        values = random.standard_normal((rows, columns), dtype=np.float32) / math.sqrt(columns)
        yield values.astype("<f4").tobytes()
        return
    element, layout = GGML_TYPES[type_id], _LAYOUTS[type_id]
    blocks = rows * columns // element.block_elements
    scale = np.frombuffer(np.float16(1 / (layout.spread * math.sqrt(columns))).tobytes(), "u1")
    per_piece = _PIECE_BYTES // element.block_bytes
    for start in range(0, blocks, per_piece):
        count = min(per_piece, blocks - start)
        raw = np.frombuffer(random.bytes(count * element.block_bytes), "u1")
        piece = raw.reshape(count, element.block_bytes).copy()
        for offset in layout.scale_offsets:
            piece[:, offset : offset + 2] = scale
        yield piece.tobytes()


def norm_bytes(size: int) -> bytes:
    """A norm's weights: ones in float32."""
    import numpy as np

    return np.ones(size, "<f4").tobytes()
