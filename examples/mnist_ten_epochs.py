"""
Training on MNIST: the settings of the original tutorial
========================================================

This example trains the default network for ten epochs on the first 40,000 digits of MNIST,
and validates it on the next 10,000. The settings are those of the original tutorial: batches
of 128, Nesterov momentum 0.9, learning rate 0.01, pixels divided by 256. Lasagne on Theano
1.0.5 ended the same training at a validation loss of 0.0479 and an accuracy of 0.9845.

The environment variable ``CONVNET_FEATURES_EXAMPLES=quick`` reduces the script to a thousand
images and one epoch.
"""

# %%
# MNIST comes from the folder that ``CONVNET_FEATURES_DATA`` names, from the cache, or from a
# mirror: see the chapter on input data.
import os
from time import perf_counter

from convnet_features import ConvNetClassifier
from convnet_features.datasets import load_mnist

QUICK = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"
n_training, n_epochs = (1_000, 1) if QUICK else (40_000, 10)

X, y, *_ = load_mnist(download_if_missing=not QUICK)
training, validation = slice(n_training), slice(40_000, 40_000 + n_training // 4)

# %%
# All other hyperparameters have their defaults.
net = ConvNetClassifier(max_epochs=n_epochs, batch_size=128, random_state=0)
began = perf_counter()
net.fit(X[training], y[training], X_val=X[validation], y_val=y[validation])
print(f"{n_epochs} epochs of {n_training:,} digits in {perf_counter() - began:.0f} s")
print(f"{'epoch':>5}{'train loss':>12}{'valid loss':>12}{'valid acc':>11}")
for record in net.history_:
    print(
        f"{record['epoch']:>5}{record['train_loss']:>12.5f}{record['valid_loss']:>12.5f}"
        f"{record['valid_score']:>11.5f}"
    )

# sphinx_gallery_thumbnail_path = '_static/thumbnails/mnist_ten_epochs.png'
