"""Fixtures that more than one test file uses."""

from __future__ import annotations

import pytest

from encoder import SentenceEncoder


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """The embedded encoder, loaded once for the whole run."""
    encoder = SentenceEncoder()
    encoder.load()
    return encoder
