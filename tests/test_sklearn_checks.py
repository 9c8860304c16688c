"""scikit-learn's own estimator checks.

``tests/conftest.py`` prints how many of them ran and passed for each estimator.
"""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.network import LayerSpec

ESTIMATORS = (ConvNetFeatureExtractor, ConvNetClassifier, ConvNetRegressor)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "Compares to 1e-7 what is computed in float32, and a row that is repeated comes at other "
        "places of other mini-batches. tests/test_weights.py compares to float32's precision "
        "where the batches are the same."
    )
}


def small_network():
    from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer

    return [
        LayerSpec("conv", Conv2DLayer, {"num_filters": 8, "filter_size": (3, 3), "pad": "same"}),
        LayerSpec("dense", DenseLayer, {"num_units": 32}),
        LayerSpec("dropout", DropoutLayer, {"p": 0.2}),
        LayerSpec("output", DenseLayer),
    ]


def quick(estimator):
    """Enough training for the checks that ask for accuracy, and no more."""
    return estimator(layers=small_network(), max_epochs=40, update_learning_rate=0.05)


def every_check_of(estimators):
    mark = parametrize_with_checks(
        estimators, expected_failed_checks=lambda estimator: EXPECTED_FAILURES
    )
    names, cases = mark.args
    # Older versions give a generator, which newer versions of pytest do not take.
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@every_check_of([quick(estimator) for estimator in ESTIMATORS])
def test_check(estimator, check):
    check(estimator)


# Some checks fit noise, of which two hundred epochs of dropout make nothing, and it is right to say
# so: scikit-learn's own tests ignore warnings of convergence in them, too.
@pytest.mark.filterwarnings("ignore::convnet_features.exceptions.GuessingWarning")
@pytest.mark.slow
@every_check_of([estimator() for estimator in ESTIMATORS])
def test_check_with_every_parameter_at_its_default(estimator, check):
    check(estimator)
