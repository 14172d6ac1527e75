from __future__ import annotations

from typing import Any

import botocore.session

from doka.adapters.aws.kinesis.trial_stream import Mode
from doka.app.conformance import case
from doka.app.conformance.case import Leaning
from doka.app.conformance.table import CASES

ALL = [each for cases in CASES.values() for each in cases]


def test_each_case_has_a_name_of_its_own_and_something_leans_on_it() -> None:
    """A question on whose answer nothing leans would cost for nothing."""
    assert len(ALL) == len({each.name for each in ALL})
    assert [] == [each.name for each in ALL if not each.leans or not each.asked]


def test_everything_that_leans_on_aws_has_a_case() -> None:
    """Each sentence that is named is asked by one case at least."""
    named = {each for each in vars(case).values() if isinstance(each, Leaning)}
    assert named == {leaning for each in ALL for leaning in each.leans}


def test_each_kind_of_stream_has_its_cases() -> None:
    """And that of one shard comes first: without it nothing is asked."""
    assert list(Mode) == list(CASES)


def test_put_records_has_no_sequence_number_for_ordering() -> None:
    """PutRecord has it, and it could order a key's records; a case says that the put of doka cannot ask for it."""
    kinesis: Any = botocore.session.get_session().get_service_model("kinesis")
    assert "SequenceNumberForOrdering" in kinesis.operation_model("PutRecord").input_shape.members
    whole = kinesis.operation_model("PutRecords").input_shape
    assert "SequenceNumberForOrdering" not in {*whole.members, *whole.members["Records"].member.members}
