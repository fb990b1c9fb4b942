# SPDX-License-Identifier: MIT
"""Hypothesis profiles, and the switch for the tests that need other mail software."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No profile minds how long it takes: a machine's load says nothing about the code.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
REPEATABLE = settings(TIMELESS, derandomize=True, print_blob=True, database=None)
settings.register_profile("dev", TIMELESS)
settings.register_profile("ci", REPEATABLE, max_examples=100)
settings.register_profile("quick", REPEATABLE, max_examples=25)
settings.register_profile("deep", TIMELESS, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(params=["asyncio", "blocking"])
def world(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give the test each adapter in turn, behind one plain interface.

    A module may have it parametrized by "uvloop", too: asyncio on another loop.
    """
    import adapter_drive

    one: adapter_drive.World
    if request.param == "blocking":
        one = adapter_drive.BlockingWorld()
    elif request.param == "asyncio":
        one = adapter_drive.AsyncioWorld()
    else:
        uvloop = pytest.importorskip("uvloop")
        one = adapter_drive.AsyncioWorld(uvloop.new_event_loop)
    yield one
    one.close()


INTEROP = os.environ.get("SMTPPROTO_INTEROP") == "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the interop tests out unless they are asked for."""
    if INTEROP:
        return
    left_out = [item for item in items if item.get_closest_marker("interop")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("interop")]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the interop run that skipped something: a missing peer must not look like a pass."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if INTEROP and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("\nSMTPPROTO_INTEROP=1 allows no skipped test", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
