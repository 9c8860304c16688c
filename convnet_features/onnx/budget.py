"""How much memory the numbers of a model may take, by the size of its file."""

from __future__ import annotations

from ..exceptions import FileFormatError

__all__ = ["Budget"]


class Budget:
    """Bytes that a model's constants and weights may take.

    A file may use one constant in thousands of nodes, each of which has a copy.

    Parameters
    ----------
    n_bytes : int
        How large the file is.
    """

    def __init__(self, n_bytes: int) -> None:
        # Weights in 8 bits become float32, as constants and as layers' parameters.
        self.limit = 16 * n_bytes + 2**24
        self._left = self.limit

    def spend(self, n_bytes: int, what: str) -> None:
        """Count bytes before they are taken; a FileFormatError that names `what` if too many."""
        self._left -= n_bytes
        if self._left < 0:
            raise FileFormatError(
                f"from_onnx: {what}: the constants and weights up to here take more than "
                f"{self.limit} bytes, far more than are in the file."
            )
