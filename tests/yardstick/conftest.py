"""A model whose reasons were planted, one of them negative, and every set's value under it."""

from __future__ import annotations

import pytest

from tests.helpers.planted import Weighed, weigh


@pytest.fixture(scope="session")
def weighed() -> Weighed:
    """Thirty choices whose reasons are known."""
    return weigh()
