"""``theano.OpFromGraph``, and gradients of the user's own."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T

from ..helpers import assert_close

X = np.array([[1, -1, 2, -3]], "float32")
WEIGHTS = np.array([1, 1, -1, -1], "float32")


class ModifiedBackprop:
    """As in Lasagne's recipes, which everyone copied."""

    def __init__(self, nonlinearity):
        self.nonlinearity = nonlinearity
        self.ops = {}

    def __call__(self, x):
        tensor_type = x.type
        if tensor_type not in self.ops:
            inp = tensor_type()
            op = theano.OpFromGraph([inp], [self.nonlinearity(inp)])
            op.grad = self.grad
            self.ops[tensor_type] = op
        return self.ops[tensor_type](x)


class GuidedBackprop(ModifiedBackprop):
    def grad(self, inputs, out_grads):
        (inp,), (grd,) = inputs, out_grads
        dtype = inp.dtype
        return (grd * (inp > 0).astype(dtype) * (grd > 0).astype(dtype),)


class Deconvolution(ModifiedBackprop):
    def grad(self, inputs, out_grads):
        (grd,) = out_grads
        return (T.nnet.relu(grd),)


def guided(inputs, gradients):
    return [gradients[0] * (inputs[0] > 0) * (gradients[0] > 0)]


def guided_by_outputs(inputs, outputs, gradients):
    return [gradients[0] * (outputs[0] > 0) * (gradients[0] > 0)]


def gradient_through(op):
    x = T.matrix()
    return theano.function([x], [op(x), T.grad((op(x) * WEIGHTS).sum(), x)])(X)


def rectifier(**options):
    inp = T.matrix()
    return theano.OpFromGraph([inp], [T.nnet.relu(inp)], **options)


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        (lambda: rectifier(), [1, 0, -1, 0]),
        (lambda: GuidedBackprop(T.nnet.relu), [1, 0, 0, 0]),
        (lambda: Deconvolution(T.nnet.relu), [1, 1, 0, 0]),
        (lambda: rectifier(grad_overrides=guided), [1, 0, 0, 0]),
        (lambda: rectifier(grad_overrides=[lambda i, g: guided(i, g)[0]]), [1, 0, 0, 0]),
        (lambda: rectifier(lop_overrides=guided_by_outputs), [1, 0, 0, 0]),
        (lambda: rectifier(grad_overrides="default"), [1, 0, -1, 0]),
        (lambda: rectifier(inline=True, grad_overrides=guided), [1, 0, 0, 0]),
    ],
    ids=["plain", "guided", "deconvolution", "grad", "list", "lop", "default", "inline"],
)
def test_gradients_are_whose_they_should_be(modified, expected):
    values, gradients = gradient_through(modified())
    assert_close(values, [[1, 0, 2, 0]])
    assert_close(gradients, [expected])


def test_guided_backpropagation_through_a_network_of_lasagnes():
    from lasagne.layers import DenseLayer, InputLayer, get_output

    layer = InputLayer((None, 4))
    layer.input_var = T.matrix()
    dense = DenseLayer(layer, 4, W=np.eye(4, dtype="float32"), nonlinearity=T.nnet.relu)
    dense.nonlinearity = GuidedBackprop(dense.nonlinearity)
    gradient = T.grad((get_output(dense) * WEIGHTS).sum(), layer.input_var)
    assert_close(theano.function([layer.input_var], gradient)(X), [[1, 0, 0, 0]])


def test_some_inputs_keep_their_own_gradient():
    a, b = T.vectors("a", "b")
    op = theano.OpFromGraph([a, b], [a * b], grad_overrides=["default", lambda i, g: 10 * g[0]])
    x, y = T.vectors("x", "y")
    values = theano.function([x, y], T.grad(op(x, y).sum(), [x, y]))(
        np.array([2], "float32"), np.array([3], "float32")
    )
    assert_close(values[0], [3])
    assert_close(values[1], [10])


def test_a_disconnected_gradient():
    a, b = T.vectors("a", "b")
    nothing = theano.gradient.DisconnectedType()()
    op = theano.OpFromGraph([a, b], [a * b], grad_overrides=["default", nothing])
    x, y = T.vectors("x", "y")
    gradients = T.grad(op(x, y).sum(), [x, y], disconnected_inputs="ignore")
    values = theano.function([x, y], gradients)(np.array([2], "float32"), np.array([3], "float32"))
    assert_close(values[0], [3])
    assert_close(values[1], [0])


def test_shared_variables_inside_have_gradients():
    inp, w = T.matrix(), theano.shared(np.ones((4, 2), "float32"))
    op = theano.OpFromGraph([inp], [T.nnet.sigmoid(T.dot(inp, w))])
    x = T.matrix()
    actual = theano.function([x], T.grad(T.log(op(x)).sum(), w))(X)
    expected = theano.function([x], T.grad(T.log(T.nnet.sigmoid(T.dot(x, w))).sum(), w))(X)
    assert_close(actual, expected)


def test_within_itself_and_within_scan():
    inp = T.matrix()
    inner = rectifier()
    outer = theano.OpFromGraph([inp], [inner(inp) * 2])
    values, gradients = gradient_through(outer)
    assert_close(values, [[2, 0, 4, 0]])
    assert_close(gradients, [[2, 0, -2, 0]])
    op = GuidedBackprop(T.nnet.relu)
    x = T.matrix()
    rows, _ = theano.scan(lambda row: op(row), sequences=[x])
    values = theano.function([x], [rows, T.grad((rows * WEIGHTS).sum(), x)])(X)
    assert_close(values[0], [[1, 0, 2, 0]])
    assert_close(values[1], [[1, 0, 0, 0]])


NO_ROP = (
    "OpFromGraph: {} cannot be obeyed, because theano.tensor.Rop is computed from gradients here. "
    "Override the gradient, or multiply theano.tensor.jacobian by the evaluation points."
)


BOTH = (
    "OpFromGraph: lop_overrides and grad_overrides both say what the gradient is; give one of them."
)
TOO_MANY = "OpFromGraph: the gradient's overrides give 2 gradients for 1 inputs; give one for each."
NO_OVERRIDE = (
    "OpFromGraph: an override of the gradient must be 'default', a function, a variable or "
    "an OpFromGraph; got 'none'."
)


def said(kind, function):
    with pytest.raises(kind) as error:
        function()
    return str(error.value)


def test_what_cannot_be_obeyed_is_refused():
    x = T.matrix()
    both = {"lop_overrides": guided_by_outputs, "grad_overrides": guided}
    assert said(ValueError, lambda: rectifier(**both)) == BOTH
    for name, op in (("op.R_op", "R_op"), ("op.pushforward", "pushforward")):
        refusal = said(NotImplementedError, lambda op=op: setattr(rectifier(), op, guided))
        assert refusal == NO_ROP.format(name)
    refusal = said(NotImplementedError, lambda: rectifier(rop_overrides=guided))
    assert refusal == NO_ROP.format("rop_overrides")
    op = rectifier(grad_overrides=[guided, guided])
    assert said(ValueError, lambda: T.grad(op(x).sum(), x)) == TOO_MANY
    op = rectifier(grad_overrides="none")
    assert said(TypeError, lambda: T.grad(op(x).sum(), x)) == NO_OVERRIDE
