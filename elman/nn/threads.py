"""How many threads work: those of torch's operations, and those of the kernels."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_of_kernels: int | None = None  # where torch's are fewer


def threads() -> int:
    """Return how many threads a kernel may use. It takes fewer where its work is little."""
    return _of_kernels or torch.get_num_threads()


@contextmanager
def torch_in_one_thread() -> Iterator[None]:
    """Let torch's operations take one thread, and the kernels as many as before.

    To wake a second thread takes longer than a small operation.
    """
    global _of_kernels
    before, own = torch.get_num_threads(), _of_kernels
    _of_kernels = threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _of_kernels = own
