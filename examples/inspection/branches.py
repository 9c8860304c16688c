"""
A network with branches
=======================

Layers need not stand in a row: a residual block adds what it was given to what
it made of it, and parallel convolutions look at one image in several ways.
``ArchitectureDisplay`` draws such a graph with
its branches side by side.
"""

# %%
# The network
# -----------
# A layer stands on the one before it, unless it names others.
import matplotlib.pyplot as plt

from convnet_features import ConvNetClassifier
from convnet_features.datasets import load_digits_images

X, y = load_digits_images()

# Lasagne comes after convnet_features, which is what makes it importable.
from lasagne import layers

same = {"pad": "same", "num_filters": 8}
net = ConvNetClassifier(
    layers=[
        ("conv1", layers.Conv2DLayer, {"filter_size": 3, **same}),
        ("conv2", layers.Conv2DLayer, {"filter_size": 3, **same}),
        ("block", layers.ElemwiseSumLayer, {"incomings": ["conv1", "conv2"]}),
        ("pool", layers.MaxPool2DLayer, {"pool_size": 2}),
        ("narrow", layers.Conv2DLayer, {"incoming": "pool", "filter_size": 1, **same}),
        ("wide", layers.Conv2DLayer, {"incoming": "pool", "filter_size": 3, **same}),
        ("concat", layers.ConcatLayer, {"incomings": ["narrow", "wide"]}),
        ("dense", layers.DenseLayer, {"num_units": 64}),
        ("output", layers.DenseLayer),
    ],
    max_epochs=2,
    random_state=0,
)
net.fit(X, y)
print(f"Accuracy on the validation rows after two epochs: {net.history_[-1]['valid_score']:.3f}")

# %%
# The graph
# ---------
from convnet_features.inspection import ArchitectureDisplay

architecture = ArchitectureDisplay.from_estimator(net).plot()

# %%
# ``draw_to_file``, nolearn's name for it, writes the drawing to a file.
#
# A residual network
# ------------------
# ``small_resnet`` is there without being declared: blocks of two convolutions with
# batch normalisation, each with a way past it.
from convnet_features.network.presets import small_resnet

resnet = ConvNetClassifier(
    layers=small_resnet(widths=(8, 16)), feature_layer="pool", max_epochs=1, random_state=0
)
resnet.fit(X[:300], y[:300])
drawing = ArchitectureDisplay.from_estimator(resnet).plot()

plt.show()
