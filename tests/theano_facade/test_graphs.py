"""Questions about graphs, answered in Theano's order."""

from __future__ import annotations

import theano
import theano.tensor as T


def names(variables):
    return [variable.name for variable in variables]


def test_inputs_come_depth_first_from_the_last_output():
    """The order of Theano 1.0.5's stack_search, worked out by hand."""
    a, b, c, d = T.vectors("a", "b", "c", "d")
    inputs = theano.gof.graph.inputs
    assert names(inputs([a * b + c])) == ["a", "b", "c"]
    assert names(inputs([c * (b + a)])) == ["c", "b", "a"]
    assert names(inputs([a * b + c, d - a])) == ["d", "a", "b", "c"]
    assert names(inputs([a, a + a])) == ["a"]


def test_nothing_behind_blockers_is_found():
    a, b, c = T.vectors("a", "b", "c")
    product = a * b
    assert names(theano.gof.graph.inputs([product + c], blockers=[product])) == ["c"]
    assert names(theano.gof.graph.inputs([product + c], blockers=[c])) == ["a", "b", "c"]


def test_ancestors_are_a_list_that_begins_with_the_variables_themselves():
    a, b = T.vectors("a", "b")
    product = a * b
    total = product + a
    assert theano.gof.graph.ancestors([total]) == [total, product, a, b]
