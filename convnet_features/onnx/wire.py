"""The memory that an ONNX file takes when it is parsed, counted before it is."""

from __future__ import annotations

import functools
from typing import Any

import onnx

from ..exceptions import FileFormatError

__all__ = ["MAX_FIELDS", "check_fields"]

#: A field may be two bytes of a file, and the parser takes a hundred times as much for some.
#: Nodes, with what is said of their values, have some 50.
MAX_FIELDS = 1_000_000
#: Their own fields are numbers; what else they may hold is small.
_WHOLE = {"TensorProto"}


def check_fields(data: bytes) -> None:
    """Count the fields of a model's messages, those of the messages in them too.

    The parser says what is wrong with a file that is no protocol buffer.

    Parameters
    ----------
    data : bytes
        An ``onnx.ModelProto``.

    Raises
    ------
    FileFormatError
        If there are more than `MAX_FIELDS`.
    """
    # Messages to look through: what they are, where they begin, and where they end.
    messages: list[tuple[Any, int, int]] = [(onnx.ModelProto.DESCRIPTOR, 0, len(data))]
    count = 0
    while messages:
        kind, position, end = messages.pop()
        inside = _messages_in(kind)
        while position < end:
            count += 1
            if count > MAX_FIELDS:
                raise FileFormatError(
                    f"from_onnx: the model has more than {MAX_FIELDS} fields; no more are read."
                )
            try:
                tag, position = _number(data, position)
                start, position = _bounds(data, position, tag & 7)
            except IndexError:  # the data, or what a number may have, end within one
                return
            if tag & 7 == _BYTES and tag >> 3 in inside:
                messages.append((inside[tag >> 3], start, min(position, end)))


#: How a field is written: a number of as many bytes as it needs, of eight, or of four; or bytes,
#: with their number in front.
_VARIABLE, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
#: Bytes of a number of 64 bits, seven in each.
_LONGEST = 10


@functools.cache
def _messages_in(kind: Any) -> dict[int, Any]:
    """Types of a message's fields that are messages, by the number of the field."""
    return {
        field.number: field.message_type
        for field in kind.fields
        if field.message_type is not None and field.message_type.name not in _WHOLE
    }


def _bounds(data: bytes, position: int, written: int) -> tuple[int, int]:
    """Where the contents of a field begin and end."""
    if written == _VARIABLE:
        return position, _number(data, position)[1]
    if written == _BYTES:
        size, position = _number(data, position)
        return position, position + size
    return position, position + {_EIGHT: 8, _FOUR: 4}.get(written, 0)


def _number(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = data[position]
    if number < 128:  # nearly all are
        return number, position + 1
    number = 0
    for place in range(_LONGEST):
        byte = data[position + place]
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number, position + place + 1
    raise IndexError("a number without end")
