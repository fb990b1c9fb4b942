# SPDX-License-Identifier: MIT
"""The two decorators every value of the package is made with.

Decides how a value is built: slots, equality and a hash by content, and read-only fields as far as
a type checker can see. A dataclass with ``frozen=True`` would enforce that at run time, at three
times the cost of making one, which is most of what a command or an event costs. Knows nothing of
mail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make `cls` a value: slots, equality and hash by content, read-only to type checkers."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(field_specifiers=(field,))
def value_with_init(cls: type[T]) -> type[T]:
    """Like `value`, for a class whose own ``__init__`` accepts more than its fields store.

    Its fields are annotated ``Final``, so that a type checker keeps them read-only.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
