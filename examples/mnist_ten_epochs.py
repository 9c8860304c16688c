"""
Ten epochs on MNIST, as the original stack trained
==================================================

The seed network on the first 40,000 digits of MNIST, validated with the next
10,000: batches of 128, Nesterov momentum 0.9, learning rate 0.01, pixels divided
by 256. Lasagne on Theano 1.0.5 ended such a run at a validation loss of 0.0479
and an accuracy of 0.9845.
"""

# %%
# MNIST comes from the folder that ``CONVNET_FEATURES_DATA`` names, from the cache,
# or from a mirror; see the guide's chapter on data.
from time import perf_counter

from convnet_features import ConvNetClassifier
from convnet_features.datasets import load_mnist

X, y, *_ = load_mnist()

# %%
# Everything but the epochs and the batch size is at its default.
net = ConvNetClassifier(max_epochs=10, batch_size=128, random_state=0)
began = perf_counter()
net.fit(X[:40_000], y[:40_000], X_val=X[40_000:50_000], y_val=y[40_000:50_000])
print(f"ten epochs of 40,000 digits in {perf_counter() - began:.0f} s")
print(f"{'epoch':>5}{'train loss':>12}{'valid loss':>12}{'valid acc':>11}")
for record in net.history_:
    print(
        f"{record['epoch']:>5}{record['train_loss']:>12.5f}{record['valid_loss']:>12.5f}"
        f"{record['valid_score']:>11.5f}"
    )
