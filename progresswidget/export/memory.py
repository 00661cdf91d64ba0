"""The memory that conversions and encoders make their results in."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def pool() -> pa.MemoryPool:
    """Return jemalloc's memory where it is there, and the user has not chosen another.

    pyarrow's default gives the system what is free for 10 ms, and gets it back as huge pages that
    are filled with zeros first: a tenth of the processor that an export to Parquet took, and a
    fifth of one to an Arrow stream.
    """
    import pyarrow as pa

    if (
        "ARROW_DEFAULT_MEMORY_POOL" in os.environ
        or "jemalloc" not in pa.supported_memory_backends()
    ):
        return pa.default_memory_pool()
    return pa.jemalloc_memory_pool()
