"""
Your own photographs
====================

This example goes from a folder of image files to a server: looking at the images, a
Pipeline that reads files, cross-validation, a confusion matrix, the misclassified
images, Grad-CAM, and a saved model that predicts uploads. It needs the extras
``images``, ``plot`` and ``serve``.

The environment variable ``CONVNET_FEATURES_EXAMPLES=quick`` reduces the example to few
photographs and two epochs.
"""

# %%
# Make a folder of images
# -----------------------
# You have a folder already. This folder has pieces of the two photographs of scikit-learn:
# five classes, many sizes and brightnesses, JPEG and PNG. Some pieces are stored rotated,
# as cameras store them, with the rotation in their EXIF data.
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

QUICK = os.environ.get("CONVNET_FEATURES_EXAMPLES") == "quick"
N_PIECES = 10 if QUICK else 50
EPOCHS = 2 if QUICK else 60

china, dahlia = (Image.fromarray(picture) for picture in load_sample_images().images)
#: Which photograph, and where in it: left, top, right, bottom.
THINGS = {
    "flower": (dahlia, (150, 70, 450, 370)),
    "lake": (china, (330, 110, 580, 300)),
    "leaves": (dahlia, (430, 0, 640, 330)),
    "pagoda": (china, (60, 20, 380, 350)),
    "trees": (china, (0, 270, 640, 427)),
}


def piece(picture, box, rng):
    """A piece of a picture, at another size and brightness."""
    width, height = rng.integers(70, 130, 2)
    left = rng.integers(box[0], box[2] - width + 1)
    top = rng.integers(box[1], box[3] - height + 1)
    size = np.array([width, height]) * rng.uniform(1, 3)
    piece = picture.crop((left, top, left + width, top + height)).resize(size.astype(int).tolist())
    return ImageEnhance.Brightness(piece).enhance(rng.uniform(0.5, 1.4))


def save(picture, path, number):
    """Every fourth as a PNG; every third on its side."""
    exif = Image.Exif()
    if number % 3 == 0:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6  # "orientation": turn clockwise to see it
    picture.save(path.with_suffix(".png" if number % 4 == 0 else ".jpg"), exif=exif)


workplace = tempfile.TemporaryDirectory()
folder = Path(workplace.name) / "photographs"
rng = np.random.default_rng(0)
for thing, (picture, box) in THINGS.items():
    (folder / thing).mkdir(parents=True)
    for number in range(N_PIECES):
        save(piece(picture, box, rng), folder / thing / str(number), number)

# %%
# Look at the images
# ------------------
# Each subfolder is a class. Only the images in the picture are decoded here.
from convnet_features.images import ImageLoader, load_image_folder
from convnet_features.inspection import show_images

photographs = load_image_folder(folder)
files, y, names = photographs.filenames, photographs.target, photographs.target_names
print(f"{len(files)} files of {len(names)} classes: {', '.join(names)}")
shown = show_images(files, y, display_labels=names, max_images=10)

# %%
# Define a Pipeline
# -----------------
# The loader makes images of one size. The extractor learns features, with early stopping
# on a fifth of the images. A LogisticRegression learns from the features. X is a list of
# files.
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetFeatureExtractor

model = make_pipeline(
    ImageLoader(48),
    ConvNetFeatureExtractor(
        max_epochs=EPOCHS, early_stopping=True, n_iter_no_change=15, random_state=0
    ),
    LogisticRegression(max_iter=2000),
)

# %%
# Cross-validation and confusion matrix
# -------------------------------------
# A model that has not seen the photograph predicts it. (Pieces of one picture overlap, so
# these scores are too good. Use ``GroupKFold`` if several of your photographs show the
# same thing.)
folds = StratifiedKFold(2 if QUICK else 3, shuffle=True, random_state=0)
probabilities = cross_val_predict(model, files, y, cv=folds, method="predict_proba")
predicted = probabilities.argmax(axis=1)
print(f"accuracy of {folds.get_n_splits()} folds: {np.mean(predicted == y):.3f}")

# %%
from sklearn.metrics import ConfusionMatrixDisplay

confusion = ConfusionMatrixDisplay.from_predictions(
    y, predicted, display_labels=names, colorbar=False
)

# %%
# Misclassified images
# --------------------
# The most confident errors come first. The titles have the predicted class, its probability,
# and the class of the folder. Some errors are errors of the folder: here a pagoda stands
# behind the trees.
from convnet_features.inspection import MisclassifiedDisplay

errors = MisclassifiedDisplay.from_predictions(
    files, y, predicted, probabilities=probabilities, display_labels=names, max_images=10
)
print(errors)
errors.plot()

# %%
# Learning curves
# ---------------
# The Pipeline is fitted to all files now. The dot marks the epoch whose weights are kept.
from convnet_features.inspection import LearningCurvesDisplay

model.fit(files, y)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
curves = LearningCurvesDisplay.from_estimator(model)
curves.plot("loss", ax=axes[0], log=True)
curves.plot("score", ax=axes[1])

# %%
# Where the network looks: Grad-CAM
# ---------------------------------
# Grad-CAM shows the regions that speak for the class that the LogisticRegression predicts.
# `OcclusionDisplay` and `SaliencyDisplay` take files, too.
from convnet_features.inspection import GradCAMDisplay

some = [np.flatnonzero(y == names.index(name))[1] for name in ("flower", "pagoda", "trees")]
where = GradCAMDisplay.from_estimator(model, files[some], display_labels=names)
where.plot()

# %%
# This display shows the features in two dimensions, with photographs at their points.
from convnet_features.inspection import FeatureEmbeddingDisplay

plane = FeatureEmbeddingDisplay.from_estimator(model, files, np.take(names, y), thumbnails=50).plot(
    figsize=(8, 6)
)

# %%
# Save the model
# --------------
# A pickled Pipeline predicts files and the bytes of files.
import joblib

joblib.dump(model, folder.parent / "model.pkl")
loaded = joblib.load(folder.parent / "model.pkl")
upload = Path(files[0]).read_bytes()
print("from bytes:", names[loaded.predict([upload])[0]], "in the folder of", names[y[0]])

# %%
# Serve the model
# ---------------
# :ref:`The server among the examples <sphx_glr_auto_examples_deployment_serving.py>`
# serves the pickle: ``python deployment/serving.py model.pkl``, and
# ``curl --data-binary @photograph.jpg http://127.0.0.1:8000/predict``. Here it answers two
# requests. The answer to a file that is not a photograph has the reason.
import httpx
from deployment.serving import application, served

with served(application(loaded)) as address:
    answer = httpx.post(f"{address}/predict", content=upload, timeout=60).json()
    refused = httpx.post(f"{address}/predict", content=upload[:100], timeout=60)
print("from the server:", names[answer["labels"][0]], f"{max(answer['probabilities'][0]):.2f}")
print(refused.status_code, refused.text)
workplace.cleanup()

plt.show()
