# SPDX-License-Identifier: MIT
"""Transcripts that may fail, for both roles and both adapters.

Decides that who watches a session does not change it: what a transcript raises is logged, once, and
the session goes on. What is in a transcript is decided by the dialogues.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from .dialogues import Peer, Transcript
from .dialogues.client_settings import ClientSettings
from .dialogues.server_settings import ServerSettings

logger = logging.getLogger("smtpproto")


def guarded(transcript: Transcript) -> Transcript:
    """Return what gives lines to `transcript` and raises nothing; the first failure is logged."""
    is_known = False

    def tell(line: str) -> None:
        nonlocal is_known
        try:
            transcript(line)
        except Exception:
            if not is_known:
                is_known = True
                logger.exception("a transcript failed; lines of it are missing")

    return tell


def _guarded_for(
    transcript_for: Callable[[Peer], Transcript | None],
) -> Callable[[Peer], Transcript | None]:
    """Return what calls `transcript_for` and raises nothing; a session may be without."""

    def guarded_for(peer: Peer) -> Transcript | None:
        try:
            transcript = transcript_for(peer)
        except Exception:
            logger.exception("transcript_for failed; a session has no transcript")
            return None
        return None if transcript is None else guarded(transcript)

    return guarded_for


def guarded_client(settings: ClientSettings) -> ClientSettings:
    """Return the settings of a client whose transcript raises nothing."""
    if settings.transcript is None:
        return settings
    return replace(settings, transcript=guarded(settings.transcript))


def guarded_server(settings: ServerSettings) -> ServerSettings:
    """Return the settings of a server whose transcripts raise nothing."""
    if settings.transcript is not None:
        return replace(settings, transcript=guarded(settings.transcript))
    if settings.transcript_for is not None:
        return replace(settings, transcript_for=_guarded_for(settings.transcript_for))
    return settings
