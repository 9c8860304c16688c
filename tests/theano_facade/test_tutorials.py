"""The classic programs, as they were written for Theano in 2013: each runs, and learns."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from sklearn.datasets import load_digits
from theano.tensor.shared_randomstreams import RandomStreams

DIGITS = load_digits()
PIXELS = (DIGITS.data / 16).astype(theano.config.floatX)
LABELS = DIGITS.target.astype("int32")


def shared(value, name):
    return theano.shared(np.asarray(value, dtype=theano.config.floatX), name=name, borrow=True)


def uniform(rng, n_in, n_out, factor=1.0):
    bound = factor * np.sqrt(6.0 / (n_in + n_out))
    return rng.uniform(low=-bound, high=bound, size=(n_in, n_out))


def minibatches(cost, params, x, data, rate, n_epochs, batch_size=60, updates=(), givens=()):
    """Losses of epochs of stochastic gradient descent over a shared data set, by index."""
    index = T.lscalar("index")
    steps = [(p, p - rate * g) for p, g in zip(params, T.grad(cost, params), strict=True)]
    rows = slice(index * batch_size, (index + 1) * batch_size)
    train = theano.function(
        inputs=[index],
        outputs=cost,
        updates=steps + list(updates),
        givens={x: data[rows], **{v: values[rows] for v, values in givens}},
    )
    n_batches = data.get_value(borrow=True).shape[0] // batch_size
    return [np.mean([train(i) for i in range(n_batches)]) for _ in range(n_epochs)]


def is_learnt(losses):
    return np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0]


def classified(layers, n_epochs, rate, x, y):
    """Train the layers' expressions by the negative log-likelihood; losses and the error."""
    output, params = layers
    p_y = T.nnet.softmax(output)
    cost = -T.mean(T.log(p_y)[T.arange(y.shape[0]), y])
    labels = T.cast(shared(LABELS, "labels"), "int32")
    data = shared(PIXELS, "data")
    losses = minibatches(cost, params, x, data, rate, n_epochs, givens=[(y, labels)])
    error = theano.function(
        [], T.mean(T.neq(T.argmax(p_y, axis=1), y)), givens={x: data, y: labels}
    )
    return losses, float(error())


def test_logistic_regression():
    x, y = T.matrix("x"), T.ivector("y")
    W = shared(np.zeros((64, 10)), "W")
    b = shared(np.zeros(10), "b")
    losses, error = classified((T.dot(x, W) + b, [W, b]), 5, 0.5, x, y)
    assert is_learnt(losses)
    assert error < 0.1


def test_multilayer_perceptron():
    rng = np.random.RandomState(1234)
    x, y = T.matrix("x"), T.ivector("y")
    W1, b1 = shared(uniform(rng, 64, 50), "W1"), shared(np.zeros(50), "b1")
    W2, b2 = shared(np.zeros((50, 10)), "W2"), shared(np.zeros(10), "b2")
    hidden = T.tanh(T.dot(x, W1) + b1)
    losses, error = classified((T.dot(hidden, W2) + b2, [W1, b1, W2, b2]), 5, 0.3, x, y)
    assert is_learnt(losses)
    assert error < 0.1


def test_lenet():
    from theano.tensor.nnet import conv
    from theano.tensor.signal import downsample

    rng = np.random.RandomState(23455)
    x, y = T.matrix("x"), T.ivector("y")
    W = shared(rng.uniform(-0.3, 0.3, size=(8, 1, 3, 3)), "W")
    b = shared(np.zeros(8), "b")
    convolved = conv.conv2d(
        input=x.reshape((60, 1, 8, 8)),
        filters=W,
        filter_shape=(8, 1, 3, 3),
        image_shape=(60, 1, 8, 8),
    )
    pooled = downsample.max_pool_2d(input=convolved, ds=(2, 2), ignore_border=True)
    maps = T.tanh(pooled + b.dimshuffle("x", 0, "x", "x")).flatten(2)
    W2, b2 = shared(np.zeros((8 * 3 * 3, 10)), "W2"), shared(np.zeros(10), "b2")
    p_y = T.nnet.softmax(T.dot(maps, W2) + b2)
    cost = -T.mean(T.log(p_y)[T.arange(y.shape[0]), y])
    labels = T.cast(shared(LABELS, "labels"), "int32")
    data = shared(PIXELS, "data")
    losses = minibatches(cost, [W, b, W2, b2], x, data, 0.3, 4, givens=[(y, labels)])
    assert is_learnt(losses)


def denoising(x, n_in, n_hidden, rng, stream, level):
    """A denoising autoencoder with tied weights: (cost, parameters, hidden units)."""
    W = shared(uniform(rng, n_in, n_hidden, factor=4), "W")
    b, b_prime = shared(np.zeros(n_hidden), "b"), shared(np.zeros(n_in), "b_prime")
    kept = stream.binomial(size=x.shape, n=1, p=1 - level, dtype=theano.config.floatX)
    hidden = T.nnet.sigmoid(T.dot(kept * x, W) + b)
    z = T.nnet.sigmoid(T.dot(hidden, W.T) + b_prime)
    cost = T.mean(-T.sum(x * T.log(z) + (1 - x) * T.log(1 - z), axis=1))
    return cost, [W, b, b_prime], T.nnet.sigmoid(T.dot(x, W) + b)


def test_stacked_denoising_autoencoders():
    """Two autoencoders, one after the other, and then all of it by the labels."""
    rng = np.random.RandomState(89677)
    stream = RandomStreams(rng.randint(2**30))
    x, y, data = T.matrix("x"), T.ivector("y"), shared(PIXELS, "data")
    cost, first, hidden = denoising(x, 64, 40, rng, stream, 0.2)
    losses = minibatches(cost, first, x, data, 0.1, 4)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]
    cost, second, top = denoising(hidden, 40, 30, rng, stream, 0.2)
    losses = minibatches(cost, second, x, data, 0.1, 3)
    assert losses[-1] < losses[0]
    W, b = shared(np.zeros((30, 10)), "W"), shared(np.zeros(10), "b")
    losses, error = classified((T.dot(top, W) + b, [W, b, *first[:2], *second[:2]]), 8, 0.5, x, y)
    assert is_learnt(losses)
    assert error < 0.2


def test_restricted_boltzmann_machine_by_persistent_contrastive_divergence():
    rng = np.random.RandomState(123)
    stream = RandomStreams(rng.randint(2**30))
    x, index, rate = T.matrix("x"), T.lscalar("index"), 0.05
    W = shared(uniform(rng, 64, 30, factor=4), "W")
    hbias, vbias = shared(np.zeros(30), "hbias"), shared(np.zeros(64), "vbias")
    chain = shared(np.zeros((60, 30)), "chain")

    def free_energy(v):
        wx_b = T.dot(v, W) + hbias
        return -T.dot(v, vbias) - T.sum(T.log(1 + T.exp(wx_b)), axis=1)

    def sample(mean):
        return stream.binomial(size=mean.shape, n=1, p=mean, dtype=theano.config.floatX)

    def gibbs_hvh(h0):
        pre_v = T.dot(h0, W.T) + vbias
        v1 = sample(T.nnet.sigmoid(pre_v))
        pre_h = T.dot(v1, W) + hbias
        return pre_v, v1, sample(T.nnet.sigmoid(pre_h))

    (_, vs, hs), updates = theano.scan(gibbs_hvh, outputs_info=[None, None, chain], n_steps=3)
    end = vs[-1]
    cost = T.mean(free_energy(x)) - T.mean(free_energy(end))
    params = [W, hbias, vbias]
    for param, gradient in zip(params, T.grad(cost, params, consider_constant=[end]), strict=True):
        updates[param] = param - gradient * T.cast(rate, dtype=theano.config.floatX)
    updates[chain] = hs[-1]
    # The pseudo-likelihood, of one pixel that moves on at every step.
    bit = theano.shared(value=0, name="bit")
    xi = T.round(x)
    flipped = T.set_subtensor(xi[:, bit], 1 - xi[:, bit])
    monitor = T.mean(64 * T.log(T.nnet.sigmoid(free_energy(flipped) - free_energy(xi))))
    updates[bit] = (bit + 1) % 64
    data = shared(PIXELS, "data")
    train = theano.function(
        [index], monitor, updates=updates, givens={x: data[index * 60 : (index + 1) * 60]}
    )
    means = [np.mean([train(i) for i in range(29)]) for _ in range(6)]
    assert np.isfinite(means).all()
    assert means[-1] > means[0] + 2
    assert set(np.unique(chain.get_value())) == {0.0, 1.0}


class RBM:
    """Sigmoid units on both sides; its weights may be those of a sigmoid layer."""

    def __init__(self, v, W, hbias, stream):
        self.v, self.W, self.hbias, self.stream = v, W, hbias, stream
        self.vbias = shared(np.zeros(W.get_value(borrow=True).shape[0]), "vbias")
        self.params = [self.W, self.hbias, self.vbias]

    def free_energy(self, v):
        hidden = T.sum(T.nnet.softplus(T.dot(v, self.W) + self.hbias), axis=1)
        return -T.dot(v, self.vbias) - hidden

    def sampled(self, logits):
        mean = T.nnet.sigmoid(logits)
        draw = self.stream.binomial(size=mean.shape, n=1, p=mean, dtype=theano.config.floatX)
        return logits, mean, draw

    def gibbs(self, h):
        logits, mean, v = self.sampled(T.dot(h, self.W.T) + self.vbias)
        return [logits, mean, v, *self.sampled(T.dot(v, self.W) + self.hbias)]

    def get_cost_updates(self, lr, k=1):
        _, _, start = self.sampled(T.dot(self.v, self.W) + self.hbias)
        (logits, _, vs, _, _, _), updates = theano.scan(
            self.gibbs, outputs_info=[None, None, None, None, None, start], n_steps=k
        )
        end = vs[-1]
        cost = T.mean(self.free_energy(self.v)) - T.mean(self.free_energy(end))
        for param in self.params:
            gradient = T.grad(cost, param, consider_constant=[end])
            updates[param] = param - gradient * T.cast(lr, dtype=theano.config.floatX)
        p = T.nnet.sigmoid(logits[-1])
        entropy = T.sum(self.v * T.log(p) + (1 - self.v) * T.log(1 - p), axis=1)
        return -T.mean(entropy), updates


class DBN:
    """Sigmoid layers and softmax on top; each layer is an RBM's too."""

    def __init__(self, numpy_rng, n_ins, hidden_layers_sizes, n_outs):
        self.theano_rng = RandomStreams(numpy_rng.randint(2**30))
        self.x, self.y = T.matrix("x"), T.ivector("y")
        self.params, self.rbm_layers = [], []
        below, n_below = self.x, n_ins
        for i, n_hidden in enumerate(hidden_layers_sizes):
            W = shared(uniform(numpy_rng, n_below, n_hidden, factor=4), f"W{i}")
            b = shared(np.zeros(n_hidden), f"b{i}")
            self.rbm_layers.append(RBM(below, W, b, self.theano_rng))
            self.params.extend([W, b])
            below, n_below = T.nnet.sigmoid(T.dot(below, W) + b), n_hidden
        W, b = shared(np.zeros((n_below, n_outs)), "W"), shared(np.zeros(n_outs), "b")
        self.params.extend([W, b])
        p_y = T.nnet.softmax(T.dot(below, W) + b)
        self.finetune_cost = -T.mean(T.log(p_y)[T.arange(self.y.shape[0]), self.y])
        self.errors = T.mean(T.neq(T.argmax(p_y, axis=1), self.y))

    def pretraining_functions(self, train_set_x, batch_size, k):
        index, rate = T.lscalar("index"), T.scalar("lr")
        begin = index * batch_size
        functions = []
        for rbm in self.rbm_layers:
            cost, updates = rbm.get_cost_updates(rate, k=k)
            functions.append(
                theano.function(
                    inputs=[index, theano.Param(rate, default=0.1)],
                    outputs=cost,
                    updates=updates,
                    givens={self.x: train_set_x[begin : begin + batch_size]},
                )
            )
        return functions


def test_deep_belief_network():
    """Boltzmann machines from below, by CD-1, and then all of it by the labels."""
    rng = np.random.RandomState(123)
    dbn = DBN(numpy_rng=rng, n_ins=64, hidden_layers_sizes=[40, 30], n_outs=10)
    data = shared(PIXELS, "data")
    for level, pretrain in enumerate(dbn.pretraining_functions(data, batch_size=60, k=1)):
        before = dbn.rbm_layers[level].vbias.get_value()
        costs = [np.mean([pretrain(i, lr=0.05) for i in range(29)]) for _ in range(3)]
        assert np.isfinite(costs).all()
        assert costs[-1] < 0.95 * costs[0]
        assert not np.array_equal(dbn.rbm_layers[level].vbias.get_value(), before)
    labels = T.cast(shared(LABELS, "labels"), "int32")
    given = [(dbn.y, labels)]
    losses = minibatches(dbn.finetune_cost, dbn.params, dbn.x, data, 0.5, 6, givens=given)
    assert is_learnt(losses)
    error = theano.function([], dbn.errors, givens={dbn.x: data, dbn.y: labels})
    assert float(error()) < 0.2


@pytest.mark.slow
def test_recurrent_boltzmann_machine():
    """The graph of the RNN-RBM: biases by a recurrence, samples by Gibbs steps within it."""
    rng = np.random.RandomState(5)
    stream = RandomStreams(seed=rng.randint(1 << 30))
    n_visible, n_hidden, n_recurrent = 8, 6, 5

    def normal(*shape):
        return shared(0.01 * rng.normal(size=shape), "W")

    W, Wuh, Wuv = (
        normal(n_visible, n_hidden), normal(n_recurrent, n_hidden), normal(n_recurrent, n_visible),
    )  # fmt: skip
    Wvu, Wuu = normal(n_visible, n_recurrent), normal(n_recurrent, n_recurrent)
    bv, bh, bu = (shared(np.zeros(n), "b") for n in (n_visible, n_hidden, n_recurrent))
    params = W, bv, bh, Wuh, Wuv, Wvu, Wuu, bu
    v = T.matrix()
    u0 = T.zeros((n_recurrent,))

    def recurrence(v_t, u_tm1):
        bv_t, bh_t = bv + T.dot(u_tm1, Wuv), bh + T.dot(u_tm1, Wuh)
        return [T.tanh(bu + T.dot(v_t, Wvu) + T.dot(u_tm1, Wuu)), bv_t, bh_t]

    (_, bv_t, bh_t), updates_train = theano.scan(
        lambda v_t, u_tm1, *_: recurrence(v_t, u_tm1),
        sequences=v, outputs_info=[u0, None, None], non_sequences=params,
    )  # fmt: skip

    def gibbs_step(v):
        h = stream.binomial(
            size=(v.shape[0], n_hidden), n=1, p=T.nnet.sigmoid(T.dot(v, W) + bh_t),
            dtype=theano.config.floatX,
        )  # fmt: skip
        mean_v = T.nnet.sigmoid(T.dot(h, W.T) + bv_t)
        return stream.binomial(size=mean_v.shape, n=1, p=mean_v, dtype=theano.config.floatX)

    chain, updates_rbm = theano.scan(gibbs_step, outputs_info=[v], n_steps=4)
    updates_train.update(updates_rbm)
    v_sample = chain[-1]
    mean_v = T.nnet.sigmoid(T.dot(T.nnet.sigmoid(T.dot(v_sample, W) + bh_t), W.T) + bv_t)
    monitor = v * T.log(mean_v) + (1 - v) * T.log(1 - mean_v)

    def free_energy(v):
        return -(v * bv_t).sum() - T.log(1 + T.exp(T.dot(v, W) + bh_t)).sum()

    cost = (free_energy(v) - free_energy(v_sample)) / v.shape[0]
    gradient = T.grad(cost, params, consider_constant=[v_sample])
    updates_train.update((p, p - 0.05 * g) for p, g in zip(params, gradient, strict=True))
    train = theano.function([v], monitor.sum() / v.shape[0], updates=updates_train)
    song = np.eye(n_visible, dtype=theano.config.floatX)[np.arange(40) % 4]
    likelihoods = [float(train(song)) for _ in range(60)]
    assert np.isfinite(likelihoods).all()
    assert np.mean(likelihoods[-5:]) > np.mean(likelihoods[:5]) + 1


@pytest.mark.slow
def test_lstm_of_sentiment():
    """Sentences of words, a mask, one LSTM, the mean over steps, and softmax."""
    rng = np.random.RandomState(123)
    n_words, dim = 20, 8
    x, mask, y = T.matrix("x", dtype="int64"), T.matrix("mask"), T.vector("y", dtype="int64")
    embedding = shared(0.1 * rng.normal(size=(n_words, dim)), "Wemb")
    W = shared(np.concatenate([0.3 * rng.normal(size=(dim, dim)) for _ in range(4)], axis=1), "W")
    U = shared(
        np.concatenate([np.linalg.svd(rng.normal(size=(dim, dim)))[0] for _ in range(4)], axis=1),
        "U",
    )
    b, out, c = (
        shared(np.zeros(4 * dim), "b"),
        shared(np.zeros((dim, 2)), "out"),
        shared([0, 0], "c"),
    )
    params = [embedding, W, U, b, out, c]
    n_steps, n_samples = x.shape[0], x.shape[1]
    inputs = T.dot(embedding[x.flatten()].reshape([n_steps, n_samples, dim]), W) + b

    def step(m, x_, h_, c_):
        pre = T.dot(h_, U) + x_
        i, f, o = (T.nnet.sigmoid(pre[:, n * dim : (n + 1) * dim]) for n in range(3))
        cell = f * c_ + i * T.tanh(pre[:, 3 * dim :])
        cell = m[:, None] * cell + (1.0 - m)[:, None] * c_
        h = o * T.tanh(cell)
        return m[:, None] * h + (1.0 - m)[:, None] * h_, cell

    start = T.alloc(np.asarray(0.0, dtype=theano.config.floatX), n_samples, dim)
    (hidden, _), _ = theano.scan(
        step, sequences=[mask, inputs], outputs_info=[start, start], n_steps=n_steps
    )
    mean = (hidden * mask[:, :, None]).sum(axis=0) / mask.sum(axis=0)[:, None]
    pred = T.nnet.softmax(T.dot(mean, out) + c)
    cost = -T.log(pred[T.arange(n_samples), y] + 1e-8).mean()
    train = theano.function(
        [x, mask, y],
        cost,
        updates=[(p, p - 1.0 * g) for p, g in zip(params, T.grad(cost, params), strict=True)],
    )
    lengths = rng.randint(3, 7, size=40)
    mood = rng.randint(0, 2, size=40).astype("int64")
    words = rng.randint(0, n_words // 2, size=(6, 40)) + n_words // 2 * mood
    present = (np.arange(6)[:, None] < lengths).astype(theano.config.floatX)
    losses = [float(train(words, present, mood)) for _ in range(50)]
    assert is_learnt(losses)


def test_hamiltonian_monte_carlo():
    """A two-dimensional normal distribution, sampled by leapfrog steps within a scan."""
    rng = np.random.RandomState(12345)
    mean, precision = np.array([1.0, -2.0]), np.linalg.inv(np.array([[1.0, 0.5], [0.5, 2.0]]))
    positions = shared(rng.normal(size=(200, 2)), "positions")
    stepsize = shared(0.25, "stepsize")
    stream = RandomStreams(seed=rng.randint(2**30))

    def energy(q):
        offset = q - mean.astype(theano.config.floatX)
        return (T.dot(offset, precision.astype(theano.config.floatX)) * offset).sum(axis=1) / 2

    def hamiltonian(q, p):
        return energy(q) + 0.5 * (p**2).sum(axis=1)

    def leapfrog(q, p, step):
        p = p - step * T.grad(energy(q).sum(), q)
        return [q + step * p, p], {}

    start = stream.normal(size=positions.shape)
    half = start - 0.5 * stepsize * T.grad(energy(positions).sum(), positions)
    first = positions + stepsize * half
    (all_q, all_p), simulation = theano.scan(
        leapfrog, outputs_info=[{"initial": first}, {"initial": half}],
        non_sequences=[stepsize], n_steps=8,
    )  # fmt: skip
    assert not simulation
    final_q = all_q[-1]
    final_p = all_p[-1] - 0.5 * stepsize * T.grad(energy(final_q).sum(), final_q)
    difference = hamiltonian(positions, start) - hamiltonian(final_q, final_p)
    accept = T.exp(difference) - stream.uniform(size=difference.shape) >= 0
    rate = T.cast(accept.mean(), theano.config.floatX)
    move = theano.function(
        [],
        rate,
        updates=[
            (positions, T.switch(accept.dimshuffle(0, "x"), final_q, positions)),
            (
                stepsize,
                T.clip(T.switch(T.gt(rate, 0.9), stepsize * 1.02, stepsize * 0.98), 0.01, 0.5),
            ),
        ],
    )
    rates = [float(move()) for _ in range(30)]
    samples = np.concatenate([(move(), positions.get_value())[1] for _ in range(60)])
    assert min(rates) > 0.3
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(np.cov(samples.T), np.linalg.inv(precision), atol=0.2)
