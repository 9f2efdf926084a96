"""Each mutation still changes what stands in the code: a renamed line would make it break nothing, unseen."""

import ast

import pytest

from broken_promises import MUTATIONS
from mutation import Mutation
from mutations import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_what_it_changes_stands_there_once_and_becomes_python(mutation: Mutation):
    for edit in mutation.edits:
        text = (ROOT / mutation.source / edit.file).read_text()
        assert text.count(edit.old) == 1, edit.old
        ast.parse(text.replace(edit.old, edit.new))
    assert all((ROOT / tests).exists() for tests in mutation.tests)
