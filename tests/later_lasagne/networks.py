"""Networks as public code of 2016 to 2018 wrote them, by the public face alone, and small.

Each function takes input variables and gives a dictionary of layers by name, ``output`` among
them. Widths and image sizes are as small as the architecture allows.
"""

from __future__ import annotations

import numpy as np
import theano.tensor as T
from lasagne.init import Constant, HeNormal, Normal, Orthogonal
from lasagne.layers import (
    BatchNormLayer,
    BiasLayer,
    ConcatLayer,
    Conv2DLayer,
    Conv3DLayer,
    Deconv2DLayer,
    DenseLayer,
    DimshuffleLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    EmbeddingLayer,
    ExpressionLayer,
    FlattenLayer,
    Gate,
    GlobalPoolLayer,
    GRULayer,
    InputLayer,
    Layer,
    LocalResponseNormalization2DLayer,
    LSTMLayer,
    MaxPool2DLayer,
    MaxPool3DLayer,
    MergeLayer,
    NonlinearityLayer,
    PadLayer,
    Pool2DLayer,
    ReshapeLayer,
    ScaleLayer,
    SliceLayer,
    TPSTransformerLayer,
    TransformerLayer,
    Upscale2DLayer,
    batch_norm,
    dropout,
    dropout_channels,
)
from lasagne.layers.dnn import Conv2DDNNLayer, MaxPool2DDNNLayer, Pool2DDNNLayer
from lasagne.nonlinearities import LeakyRectify, elu, linear, rectify, sigmoid, softmax, tanh
from lasagne.random import get_rng
from theano.sandbox.rng_mrg import MRG_RandomStreams


def vgg16(images):
    net = {"input": InputLayer((None, 3, 32, 32), input_var=images)}
    last = net["input"]
    for block, (width, count) in enumerate([(4, 2), (6, 2), (8, 3), (8, 3), (8, 3)], 1):
        for number in range(1, count + 1):
            name = f"conv{block}_{number}"
            last = net[name] = Conv2DDNNLayer(last, width, 3, pad=1, flip_filters=False, name=name)
        last = net[f"pool{block}"] = Pool2DDNNLayer(last, 2)
    net["fc6"] = DenseLayer(last, num_units=12)
    net["fc6_dropout"] = DropoutLayer(net["fc6"], p=0.5)
    net["fc7"] = DenseLayer(net["fc6_dropout"], num_units=12)
    net["fc7_dropout"] = DropoutLayer(net["fc7"], p=0.5)
    net["fc8"] = DenseLayer(net["fc7_dropout"], num_units=5, nonlinearity=None)
    net["output"] = NonlinearityLayer(net["fc8"], softmax)
    return net


def vgg_cnn_s(images):
    net = {"input": InputLayer((None, 3, 67, 67), input_var=images)}
    net["conv1"] = Conv2DLayer(net["input"], 6, 7, stride=2, flip_filters=False)
    net["norm1"] = LocalResponseNormalization2DLayer(net["conv1"], alpha=0.0001)
    net["pool1"] = MaxPool2DLayer(net["norm1"], pool_size=3, stride=3, ignore_border=False)
    net["conv2"] = Conv2DLayer(net["pool1"], 8, 5, flip_filters=False)
    net["pool2"] = MaxPool2DLayer(net["conv2"], pool_size=2, stride=2, ignore_border=False)
    net["conv3"] = Conv2DLayer(net["pool2"], 8, 3, pad=1, flip_filters=False)
    net["conv4"] = Conv2DLayer(net["conv3"], 8, 3, pad=1, flip_filters=False)
    net["conv5"] = Conv2DLayer(net["conv4"], 8, 3, pad=1, flip_filters=False)
    net["pool5"] = MaxPool2DLayer(net["conv5"], pool_size=3, stride=3, ignore_border=False)
    net["fc6"] = DenseLayer(net["pool5"], num_units=12)
    net["drop6"] = DropoutLayer(net["fc6"], p=0.5)
    net["fc7"] = DenseLayer(net["drop6"], num_units=12)
    net["output"] = DenseLayer(net["fc7"], num_units=5, nonlinearity=softmax)
    return net


def googlenet(images):
    def inception(incoming, pool, one, three_reduce, three, five_reduce, five):
        return ConcatLayer(
            [
                Conv2DLayer(incoming, one, 1, flip_filters=False),
                Conv2DLayer(Conv2DLayer(incoming, three_reduce, 1), three, 3, pad=1),
                Conv2DLayer(Conv2DLayer(incoming, five_reduce, 1), five, 5, pad=2),
                Conv2DLayer(Pool2DDNNLayer(incoming, 3, stride=1, pad=1), pool, 1),
            ]
        )

    net = {"input": InputLayer((None, 3, 64, 64), input_var=images)}
    net["conv1"] = Conv2DLayer(net["input"], 4, 7, stride=2, pad=3, flip_filters=False)
    net["pool1"] = MaxPool2DLayer(net["conv1"], pool_size=3, stride=2, ignore_border=False)
    net["pool1/norm1"] = LocalResponseNormalization2DLayer(net["pool1"], alpha=0.00002, k=1)
    net["conv2/reduce"] = Conv2DLayer(net["pool1/norm1"], 4, 1, flip_filters=False)
    net["conv2"] = Conv2DLayer(net["conv2/reduce"], 6, 3, pad=1, flip_filters=False)
    net["conv2/norm2"] = LocalResponseNormalization2DLayer(net["conv2"], alpha=0.00002, k=1)
    net["pool2"] = MaxPool2DLayer(net["conv2/norm2"], 3, stride=2, ignore_border=False)
    net["3a"] = inception(net["pool2"], 2, 3, 2, 4, 2, 2)
    net["3b"] = inception(net["3a"], 2, 4, 3, 4, 2, 3)
    net["pool3"] = MaxPool2DLayer(net["3b"], pool_size=3, stride=2, ignore_border=False)
    net["4a"] = inception(net["pool3"], 3, 4, 2, 5, 2, 2)
    net["pool4"] = MaxPool2DLayer(net["4a"], pool_size=3, stride=2, ignore_border=False)
    net["5a"] = inception(net["pool4"], 3, 5, 3, 5, 2, 3)
    net["pool5"] = GlobalPoolLayer(net["5a"])
    net["loss3"] = DenseLayer(net["pool5"], num_units=5, nonlinearity=linear)
    net["output"] = NonlinearityLayer(net["loss3"], nonlinearity=softmax)
    return net


def inception_v3(images):
    def bn_conv(incoming, width, size, **kwargs):
        return batch_norm(
            Conv2DLayer(incoming, width, size, flip_filters=False, **kwargs), epsilon=0.001
        )

    def pooled(incoming):
        return Pool2DLayer(incoming, 3, stride=1, pad=1, mode="average_exc_pad")

    def inception_a(incoming):
        five = bn_conv(bn_conv(incoming, 2, 1), 3, 5, pad=2)
        double = bn_conv(bn_conv(bn_conv(incoming, 2, 1), 3, 3, pad=1), 3, 3, pad=1)
        return ConcatLayer([bn_conv(incoming, 3, 1), five, double, bn_conv(pooled(incoming), 2, 1)])

    def reduction(incoming):
        three = bn_conv(incoming, 4, 3, stride=2)
        double = bn_conv(bn_conv(bn_conv(incoming, 2, 1), 3, 3, pad=1), 3, 3, stride=2)
        return ConcatLayer([three, double, Pool2DLayer(incoming, 3, stride=2)])

    def inception_c(incoming):
        seven = bn_conv(bn_conv(incoming, 2, 1), 2, (1, 7), pad=(0, 3))
        seven = bn_conv(seven, 3, (7, 1), pad=(3, 0))
        double = bn_conv(bn_conv(incoming, 2, 1), 2, (7, 1), pad=(3, 0))
        double = bn_conv(double, 3, (1, 7), pad=(0, 3))
        return ConcatLayer(
            [bn_conv(incoming, 3, 1), seven, double, bn_conv(pooled(incoming), 3, 1)]
        )

    def inception_e(incoming):
        three = bn_conv(incoming, 3, 1)
        three = [bn_conv(three, 2, (1, 3), pad=(0, 1)), bn_conv(three, 2, (3, 1), pad=(1, 0))]
        double = bn_conv(bn_conv(incoming, 3, 1), 3, 3, pad=1)
        double = [bn_conv(double, 2, (1, 3), pad=(0, 1)), bn_conv(double, 2, (3, 1), pad=(1, 0))]
        return ConcatLayer(
            [bn_conv(incoming, 3, 1), *three, *double, bn_conv(pooled(incoming), 2, 1)]
        )

    net = {"input": InputLayer((None, 3, 75, 75), input_var=images)}
    net["conv"] = bn_conv(net["input"], 4, 3, stride=2)
    net["conv_1"] = bn_conv(net["conv"], 4, 3)
    net["conv_2"] = bn_conv(net["conv_1"], 4, 3, pad=1)
    net["pool"] = Pool2DLayer(net["conv_2"], pool_size=3, stride=2, mode="max")
    net["conv_3"] = bn_conv(net["pool"], 4, 1)
    net["conv_4"] = bn_conv(net["conv_3"], 6, 3)
    net["pool_1"] = Pool2DLayer(net["conv_4"], pool_size=3, stride=2, mode="max")
    net["mixed"] = inception_a(net["pool_1"])
    net["mixed_3"] = reduction(net["mixed"])
    net["mixed_4"] = inception_c(net["mixed_3"])
    net["mixed_9"] = inception_e(net["mixed_4"])
    net["pool3"] = GlobalPoolLayer(net["mixed_9"])
    net["output"] = DenseLayer(net["pool3"], num_units=5, nonlinearity=softmax)
    return net


def resnet50(images):
    """Bottlenecks as in the weights that came from Caffe: no biases, batch norm as a layer."""

    def simple(incoming, width, size, stride, pad, with_relu=True):
        conv = Conv2DLayer(
            incoming, width, size, stride, pad, flip_filters=False, b=None, nonlinearity=None
        )
        norm = BatchNormLayer(conv)
        return NonlinearityLayer(norm, rectify) if with_relu else norm

    def block(incoming, width, stride, project):
        branch = simple(incoming, width, 1, stride, 0)
        branch = simple(branch, width, 3, 1, 1)
        branch = simple(branch, 4 * width, 1, 1, 0, with_relu=False)
        if project:
            incoming = simple(incoming, 4 * width, 1, stride, 0, with_relu=False)
        return NonlinearityLayer(ElemwiseSumLayer([branch, incoming], coeffs=1), rectify)

    net = {"input": InputLayer((None, 3, 64, 64), input_var=images)}
    net["conv1"] = batch_norm(Conv2DLayer(net["input"], 4, 7, stride=2, pad=3, flip_filters=False))
    net["pool1"] = Pool2DLayer(net["conv1"], 3, stride=2, pad=0, mode="max", ignore_border=False)
    last = net["pool1"]
    for stage, (width, count) in enumerate([(4, 3), (5, 4), (6, 6), (6, 3)], 2):
        for number in range(count):
            last = block(last, width, 2 if number == 0 and stage > 2 else 1, number == 0)
        net[f"res{stage}"] = last
    net["pool5"] = Pool2DLayer(
        last, 2, stride=1, pad=0, mode="average_exc_pad", ignore_border=False
    )
    net["fc1000"] = DenseLayer(net["pool5"], num_units=5, nonlinearity=None)
    net["output"] = NonlinearityLayer(net["fc1000"], nonlinearity=softmax)
    return net


def resnet_cifar(images, n=2):
    """Option A: identity shortcuts, subsampled and padded with zero channels."""

    def residual(incoming, increase):
        width, stride = incoming.output_shape[1], (1, 1)
        if increase:
            width, stride = width * 2, (2, 2)
        stack = batch_norm(
            Conv2DLayer(
                incoming, width, (3, 3), stride, pad="same", W=HeNormal("relu"), flip_filters=False
            )
        )
        stack = batch_norm(
            Conv2DLayer(
                stack,
                width,
                (3, 3),
                pad="same",
                nonlinearity=None,
                W=HeNormal("relu"),
                flip_filters=False,
            )
        )
        if increase:
            identity = ExpressionLayer(
                incoming, lambda x: x[:, :, ::2, ::2], lambda s: (s[0], s[1], s[2] // 2, s[3] // 2)
            )
            incoming = PadLayer(identity, [width // 4, 0, 0], batch_ndim=1)
        return NonlinearityLayer(ElemwiseSumLayer([stack, incoming]), nonlinearity=rectify)

    net = {"input": InputLayer((None, 3, 16, 16), input_var=images)}
    last = batch_norm(
        Conv2DLayer(net["input"], 4, 3, pad="same", W=HeNormal("relu"), flip_filters=False)
    )
    for stage in range(3):
        for number in range(n):
            last = residual(last, stage > 0 and number == 0)
    net["pool"] = GlobalPoolLayer(last)
    net["output"] = DenseLayer(net["pool"], num_units=5, W=HeNormal(), nonlinearity=softmax)
    return net


def wide_resnet(images, n=1, k=2):
    """Pre-activation, wide, with dropout between the convolutions."""

    def pre_activation(incoming):
        return NonlinearityLayer(BatchNormLayer(incoming), rectify)

    def conv(incoming, width, stride=1, size=3):
        return Conv2DLayer(
            incoming, width, size, stride, pad="same", nonlinearity=None, b=None, W=HeNormal("relu")
        )

    net = {"input": InputLayer((None, 3, 16, 16), input_var=images)}
    last = conv(net["input"], 4)
    for stage, width in enumerate((3 * k, 4 * k, 5 * k)):
        for number in range(n):
            stride = 2 if stage and not number else 1
            active = pre_activation(last)
            inner = conv(active, width, stride)
            inner = dropout(pre_activation(inner), p=0.3)
            inner = conv(inner, width)
            last = ElemwiseSumLayer([inner, conv(active, width, stride, 1)])
    net["pool"] = GlobalPoolLayer(pre_activation(last))
    net["output"] = DenseLayer(net["pool"], num_units=5, nonlinearity=softmax)
    return net


def preactivation_resnet(images):
    """Bottlenecks behind their normalisations, with scales and biases as layers of their own."""

    def pre(incoming, nonlinearity=elu):
        norm = BatchNormLayer(incoming, beta=None, gamma=None)
        return NonlinearityLayer(BiasLayer(ScaleLayer(norm)), nonlinearity)

    net = {"input": InputLayer((None, 3, 12, 12), input_var=images)}
    last = Conv2DLayer(net["input"], 4, 3, pad=1, nonlinearity=None, b=None)
    for width, stride in ((3, 1), (3, 1), (4, 2)):
        inner = Conv2DLayer(pre(last), width, 1, nonlinearity=None, b=None)
        inner = Conv2DLayer(pre(inner), width, 3, stride, pad=1, nonlinearity=None, b=None)
        inner = Conv2DLayer(pre(inner), width * 2, 1, nonlinearity=None, b=None)
        if last.output_shape != inner.output_shape:
            last = Conv2DLayer(last, width * 2, 1, stride, nonlinearity=None, b=None)
        last = ElemwiseSumLayer([last, inner])
    net["pool"] = Pool2DLayer(pre(last), 6, mode="average_inc_pad")
    net["output"] = DenseLayer(net["pool"], 5, nonlinearity=softmax)
    return net


def densenet(images, growth=3):
    def bn_relu_conv(incoming, channels, size, p):
        norm = NonlinearityLayer(ScaleAndShift(BatchNormLayer(incoming, beta=None, gamma=None)))
        conv = Conv2DLayer(
            norm, channels, size, W=HeNormal("relu"), b=None, nonlinearity=None, pad="same"
        )
        return dropout(conv, p) if p else conv

    def ScaleAndShift(incoming):
        return BiasLayer(ScaleLayer(incoming))

    net = {"input": InputLayer((None, 3, 16, 16), input_var=images)}
    last = Conv2DLayer(
        net["input"], 4, 3, pad="same", W=HeNormal("relu"), b=None, nonlinearity=None
    )
    for block in range(3):
        for _ in range(3):
            last = ConcatLayer([last, bn_relu_conv(last, growth, 3, 0.2)], axis=1)
        if block < 2:
            last = bn_relu_conv(last, last.output_shape[1], 1, 0)
            last = Pool2DLayer(last, 2, mode="average_inc_pad")
    last = NonlinearityLayer(ScaleAndShift(BatchNormLayer(last, beta=None, gamma=None)))
    net["output"] = DenseLayer(GlobalPoolLayer(last), 5, nonlinearity=softmax)
    return net


class StochasticDepthLayer(Layer):
    """The whole branch, or nothing of it, for each batch."""

    def __init__(self, incoming, survival, **kwargs):
        super().__init__(incoming, **kwargs)
        self._srng = MRG_RandomStreams(get_rng().randint(1, 2147462579))
        self.survival = survival

    def get_output_for(self, input, deterministic=False, **kwargs):
        if deterministic:
            return self.survival * input
        kept = self._srng.binomial((1,), p=self.survival, dtype=input.dtype)
        return T.switch(T.eq(kept[0], 1), input, T.zeros_like(input))


def stochastic_depth(images):
    net = {"input": InputLayer((None, 3, 12, 12), input_var=images)}
    last = batch_norm(Conv2DLayer(net["input"], 4, 3, pad=1, flip_filters=False))
    for number in range(4):
        branch = batch_norm(Conv2DLayer(last, 4, 3, pad=1, flip_filters=False))
        branch = batch_norm(Conv2DLayer(branch, 4, 3, pad=1, nonlinearity=None))
        branch = net[f"drop{number}"] = StochasticDepthLayer(branch, 1 - 0.15 * (number + 1))
        last = NonlinearityLayer(ElemwiseSumLayer([last, branch]), rectify)
    net["output"] = DenseLayer(GlobalPoolLayer(last), 5, nonlinearity=softmax)
    return net


def nin(images):
    net = {"input": InputLayer((None, 3, 16, 16), input_var=images)}
    net["conv1"] = Conv2DDNNLayer(net["input"], 6, 5, pad=2, flip_filters=False)
    net["cccp1"] = Conv2DDNNLayer(net["conv1"], 5, 1, flip_filters=False)
    net["cccp2"] = Conv2DDNNLayer(net["cccp1"], 4, 1, flip_filters=False)
    net["pool1"] = MaxPool2DDNNLayer(net["cccp2"], 3, stride=2)
    net["drop3"] = DropoutLayer(net["pool1"], p=0.5)
    net["conv2"] = Conv2DDNNLayer(net["drop3"], 6, 5, pad=2, flip_filters=False)
    net["cccp3"] = Conv2DDNNLayer(net["conv2"], 6, 1, flip_filters=False)
    net["pool2"] = Pool2DDNNLayer(net["cccp3"], 3, stride=2, mode="average_exc_pad")
    net["drop6"] = dropout_channels(net["pool2"], p=0.5)
    net["conv3"] = Conv2DDNNLayer(net["drop6"], 6, 3, pad=1, flip_filters=False)
    net["cccp6"] = Conv2DDNNLayer(net["conv3"], 5, 1, flip_filters=False)
    net["pool3"] = Pool2DDNNLayer(net["cccp6"], 3, mode="average_exc_pad", pad=0)
    net["output"] = NonlinearityLayer(FlattenLayer(net["pool3"]), softmax)
    return net


def unet(images):
    """Without padding, so that what skips is cropped; classes of pixels as rows."""

    def two(incoming, width):
        first = batch_norm(Conv2DLayer(incoming, width, 3, nonlinearity=elu, W=HeNormal("relu")))
        return batch_norm(Conv2DLayer(first, width, 3, nonlinearity=elu, W=HeNormal("relu")))

    net = {"input": InputLayer((None, 1, 44, 44), input_var=images)}
    net["down1"] = two(net["input"], 3)
    net["down2"] = two(MaxPool2DLayer(net["down1"], 2), 4)
    net["bottom"] = two(MaxPool2DLayer(net["down2"], 2), 5)
    crop = (None, None, "center", "center")
    up = Deconv2DLayer(net["bottom"], 4, 2, stride=2, crop="valid", nonlinearity=elu)
    net["up2"] = two(ConcatLayer([up, net["down2"]], cropping=crop), 4)
    up = Conv2DLayer(Upscale2DLayer(net["up2"], 2), 3, 3, pad="same", nonlinearity=elu)
    net["up1"] = two(ConcatLayer([up, net["down1"]], cropping=crop), 3)
    net["classes"] = Conv2DLayer(net["up1"], 3, 1, nonlinearity=None)
    rows = DimshuffleLayer(net["classes"], (0, 2, 3, 1))
    net["output"] = NonlinearityLayer(ReshapeLayer(rows, (-1, 3)), softmax)
    return net


def c3d(clips):
    net = {"input": InputLayer((None, 3, 8, 16, 16), input_var=clips)}
    net["conv1a"] = Conv3DLayer(net["input"], 4, 3, pad=1, flip_filters=False)
    net["pool1"] = MaxPool3DLayer(net["conv1a"], pool_size=(1, 2, 2), stride=(1, 2, 2))
    net["conv2a"] = Conv3DLayer(net["pool1"], 5, 3, pad=1, flip_filters=False)
    net["pool2"] = MaxPool3DLayer(net["conv2a"], pool_size=(2, 2, 2), stride=(2, 2, 2))
    net["conv3a"] = batch_norm(Conv3DLayer(net["pool2"], 5, 3, pad=1))
    net["pool3"] = MaxPool3DLayer(net["conv3a"], pool_size=(2, 2, 2), stride=(2, 2, 2))
    net["fc6"] = DenseLayer(net["pool3"], num_units=10)
    net["output"] = DenseLayer(dropout(net["fc6"], 0.5), num_units=5, nonlinearity=softmax)
    return net


def spatial_transformer(images):
    net = {"input": InputLayer((None, 1, 20, 20), input_var=images)}
    start = np.array([[1, 0, 0], [0, 1, 0]], dtype="float32").flatten()
    loc = MaxPool2DLayer(net["input"], 2)
    loc = Conv2DLayer(loc, 4, 3, W=HeNormal())
    loc = Conv2DLayer(MaxPool2DLayer(loc, 2), 4, 3, W=HeNormal())
    net["loc"] = DenseLayer(loc, 8, W=HeNormal("relu"))
    net["theta"] = DenseLayer(net["loc"], 6, b=start, W=Constant(0.0), nonlinearity=linear)
    net["trans"] = TransformerLayer(net["input"], net["theta"], downsample_factor=2.0)
    conv = Conv2DLayer(net["trans"], 5, 3, W=HeNormal("relu"))
    net["output"] = DenseLayer(MaxPool2DLayer(conv, 2), 5, nonlinearity=softmax)
    return net


def thin_plate_spline(images):
    net = {"input": InputLayer((None, 2, 12, 14), input_var=images)}
    net["loc"] = DenseLayer(MaxPool2DLayer(net["input"], 2), 6, nonlinearity=tanh)
    net["moves"] = DenseLayer(net["loc"], 32, W=Constant(0.0), nonlinearity=linear)
    net["trans"] = TPSTransformerLayer(net["input"], net["moves"], control_points=16)
    conv = Conv2DLayer(net["trans"], 4, 3, nonlinearity=rectify)
    net["output"] = DenseLayer(conv, 5, nonlinearity=softmax)
    return net


class GaussianSampleLayer(MergeLayer):
    """mu + exp(logsigma) · a draw, as every variational autoencoder had its own."""

    def __init__(self, mu, logsigma, **kwargs):
        super().__init__([mu, logsigma], **kwargs)
        self._srng = MRG_RandomStreams(get_rng().randint(1, 2147462579))

    def get_output_shape_for(self, input_shapes):
        return input_shapes[0]

    def get_output_for(self, inputs, deterministic=False, **kwargs):
        mu, logsigma = inputs
        if deterministic:
            return mu
        return mu + T.exp(logsigma) * self._srng.normal(mu.shape, avg=0.0, std=1.0)


def variational_autoencoder(images):
    net = {"input": InputLayer((None, 1, 8, 8), input_var=images)}
    net["enc1"] = batch_norm(Conv2DLayer(net["input"], 4, 3, stride=2, pad=1))
    net["enc2"] = DenseLayer(net["enc1"], 10, nonlinearity=tanh)
    net["mu"] = DenseLayer(net["enc2"], 3, nonlinearity=None)
    net["logsigma"] = DenseLayer(net["enc2"], 3, nonlinearity=None)
    net["z"] = GaussianSampleLayer(net["mu"], net["logsigma"])
    net["dec1"] = ReshapeLayer(DenseLayer(net["z"], 64, nonlinearity=tanh), ([0], 4, 4, 4))
    net["dec2"] = Deconv2DLayer(net["dec1"], 1, 4, stride=2, crop=1, nonlinearity=sigmoid)
    net["output"] = FlattenLayer(net["dec2"], outdim=2)
    return net


def generator(noise):
    net = {"input": InputLayer((None, 6), input_var=noise)}
    net["project"] = batch_norm(DenseLayer(net["input"], 5 * 4 * 4, W=Normal(0.2)))
    net["reshape"] = ReshapeLayer(net["project"], ([0], 5, 4, 4))
    net["deconv1"] = batch_norm(
        Deconv2DLayer(net["reshape"], 4, 5, stride=2, crop="same", output_size=8, W=Normal(0.2))
    )
    net["output"] = Deconv2DLayer(
        net["deconv1"], 1, 4, stride=2, crop=1, nonlinearity=tanh, W=Normal(0.2)
    )
    return net


def discriminator(images):
    lrelu = LeakyRectify(0.2)
    net = {"input": InputLayer((None, 1, 16, 16), input_var=images)}
    net["conv1"] = Conv2DLayer(net["input"], 4, 5, stride=2, pad="same", nonlinearity=lrelu)
    net["conv2"] = batch_norm(
        Conv2DLayer(net["conv1"], 5, 5, stride=2, pad="same", nonlinearity=lrelu)
    )
    net["output"] = DenseLayer(net["conv2"], 1, nonlinearity=sigmoid)
    return net


def lstm_text(letters, mask):
    net = {"input": InputLayer((None, None), input_var=letters)}
    net["mask"] = InputLayer((None, None), input_var=mask)
    net["embedding"] = EmbeddingLayer(net["input"], 11, 6, W=Normal(0.5))
    gate = Gate(W_in=Orthogonal(), W_hid=Orthogonal(), b=Constant(1.0))
    net["forward1"] = LSTMLayer(
        net["embedding"],
        7,
        mask_input=net["mask"],
        grad_clipping=100,
        forgetgate=gate,
        learn_init=True,
    )
    net["forward2"] = LSTMLayer(
        net["forward1"],
        6,
        mask_input=net["mask"],
        grad_clipping=100,
        only_return_final=True,
        nonlinearity=tanh,
        peepholes=False,
    )
    net["output"] = DenseLayer(net["forward2"], 11, W=Normal(0.3), nonlinearity=softmax)
    return net


def gru_text(letters, mask):
    """Both directions, and a prediction for every letter."""
    net = {"input": InputLayer((None, 9), input_var=letters)}
    net["mask"] = InputLayer((None, 9), input_var=mask)
    net["embedding"] = EmbeddingLayer(net["input"], 11, 6, W=Normal(0.5))
    net["there"] = GRULayer(net["embedding"], 5, mask_input=net["mask"], unroll_scan=True)
    net["back"] = GRULayer(
        net["embedding"], 5, mask_input=net["mask"], backwards=True, precompute_input=False
    )
    both = ConcatLayer([net["there"], net["back"]], axis=2)
    net["each"] = DenseLayer(both, 6, num_leading_axes=2, nonlinearity=tanh)
    net["last"] = SliceLayer(net["each"], -1, axis=1)
    net["output"] = DenseLayer(net["last"], 11, nonlinearity=softmax)
    return net
