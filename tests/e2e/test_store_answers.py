"""A store that answers as no store should: the table of mirrorgate_test.cases.store_answers."""

import pytest
from mirrorgate_test.cases import store_answers


@pytest.mark.parametrize("case", store_answers.CASES, ids=str)
def test_the_client_is_told_the_truth_or_sees_a_cut(bench, case):
    assert not case.attempt(bench, strict=True)
