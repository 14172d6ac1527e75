from __future__ import annotations

import pytest

from doka.adapters.aws.kinesis.target import StreamTarget


def test_a_target_without_name_and_arn_is_refused() -> None:
    """A route whose stream cannot be addressed is refused by name at birth."""
    with pytest.raises(ValueError, match="route orders has neither a stream name nor a stream ARN"):
        StreamTarget("orders", None, None, "eu-west-1")
