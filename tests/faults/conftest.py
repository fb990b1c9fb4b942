# SPDX-License-Identifier: MIT
"""Each test in both worlds, and nothing may be left behind by any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from adapter_drive import AsyncioWorld, BlockingWorld, World
from faults.drive import nothing_left


@pytest.fixture(params=[AsyncioWorld, BlockingWorld], ids=["asyncio", "blocking"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = request.param()
    try:
        with nothing_left(made):
            yield made
    finally:
        made.close()


@pytest.fixture
def asyncio_world() -> Iterator[AsyncioWorld]:
    made = AsyncioWorld()
    try:
        with nothing_left(made):
            yield made
    finally:
        made.close()
