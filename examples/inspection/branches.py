"""
A network with branches
=======================

A network can have branches: a residual block adds its input to its output, and parallel
convolutions read the same image. ``ArchitectureDisplay`` draws the branches side by side.
"""

# %%
# Define the network
# ------------------
# A layer reads the layer before it, unless ``incoming`` or ``incomings`` names other layers.
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
# Draw the graph
# --------------
from convnet_features.inspection import ArchitectureDisplay

architecture = ArchitectureDisplay.from_estimator(net).plot()

# %%
# ``draw_to_file`` has the arguments of nolearn's function and writes the drawing to a file.
#
# A residual network
# ------------------
# ``small_resnet`` returns a residual network: blocks of two convolutions with batch
# normalisation and a skip connection.
from convnet_features.network.presets import small_resnet

resnet = ConvNetClassifier(
    layers=small_resnet(widths=(8, 16)), feature_layer="pool", max_epochs=1, random_state=0
)
resnet.fit(X[:300], y[:300])
drawing = ArchitectureDisplay.from_estimator(resnet).plot()

plt.show()
