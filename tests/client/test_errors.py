"""The exception tree: complete, and what stands at its top is true."""

from __future__ import annotations

import pickle
import re

import pytest

import kodgate
from kodgate.client import errors as tree
from kodgate.core import errors


@pytest.mark.parametrize("row", errors.TABLE, ids=lambda row: row.name)
def test_every_row_of_the_error_table_has_its_class(row):
    error = tree.of(row.number, row.en)
    assert type(error) is tree.KINDS[row.kind]
    assert (error.number, error.text, error.retryable) == (row.number, row.en, row.retryable)


@pytest.mark.parametrize("number", [-1, 999])
def test_a_number_that_nobody_knows_has_a_class_too(number):
    error = tree.of(number, "what")
    assert type(error) is kodgate.UnknownApiError
    assert not error.retryable


def test_the_tree_at_the_top_of_the_file_names_every_class():
    classes = {
        name
        for name, kind in vars(tree).items()
        if isinstance(kind, type) and issubclass(kind, kodgate.KodgateError)
    }
    drawn = set(re.findall(r"\b[A-Z][a-z]\w+", tree.__doc__ or "")) - {"What"}
    assert drawn == classes
    assert classes <= set(kodgate.__all__)


def test_errors_survive_a_process_boundary():
    for error in (
        tree.of(19, "Duplicate message", 33),
        tree.OutcomeUnknown("lost", "7"),
        tree.ConnectionFailed("no"),
        tree.WaitTimeout(None),
    ):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_times_that_are_over_are_timeouts_for_everybody():
    assert issubclass(kodgate.RequestTimeout, TimeoutError)
    assert issubclass(kodgate.WaitTimeout, TimeoutError)
    assert issubclass(kodgate.ConfigurationError, ValueError)
