"""
A pipeline on digits, with and without ConvNet features
=======================================================

The main job: a network learns features from the images, and an ordinary
scikit-learn classifier learns from the features. The data are the 1,797
handwritten digits of 8×8 pixels that ship with scikit-learn, a quarter of
them held out.
"""

# %%
# The data
# --------
# Pixels as they come, 0 to 16, one row of 64 for each image: the extractor sees
# that 64 is a square number, and takes a row as an image of 8×8.
from time import perf_counter

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from convnet_features import ConvNetFeatureExtractor

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=0
)

# %%
# Four models
# -----------
# Two classifiers, each on raw pixels and behind the extractor.
models = {
    "LogisticRegression on pixels": LogisticRegression(max_iter=5000),
    "SVC on pixels": SVC(),
    "ConvNet features + LogisticRegression": make_pipeline(
        ConvNetFeatureExtractor(random_state=0), LogisticRegression(max_iter=5000)
    ),
    "ConvNet features + SVC": make_pipeline(ConvNetFeatureExtractor(random_state=0), SVC()),
}

print(f"{len(X_train)} digits to train on, {len(X_test)} held out")
print(f"{'model':<40}{'accuracy':>9}{'fit':>9}{'predict':>10}")
for name, model in models.items():
    began = perf_counter()
    model.fit(X_train, y_train)
    fitted = perf_counter()
    accuracy = model.score(X_test, y_test)
    done = perf_counter()
    print(f"{name:<40}{accuracy:>9.4f}{fitted - began:>7.2f} s{(done - fitted) * 1e3:>7.1f} ms")

# %%
# What the network is
# -------------------
extractor = models["ConvNet features + SVC"][0]
print()
print(extractor.summary())
