"""Any of scikit-learn's scores, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from sklearn.metrics import check_scoring
from sklearn.utils._param_validation import StrOptions

from ...network.inputs import Inputs
from .base import Callback
from .monitor import OF_SCORES, more_is_better

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["EpochScoring"]

#: What the history has without callbacks.
COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_score", "learning_rate", "duration")


class EpochScoring(Callback):
    """Write a score of scikit-learn's into the history after each epoch.

    Other callbacks may watch its column, ``EarlyStopping(monitor="valid_f1_macro_score")`` say,
    and `LearningCurvesDisplay` draws it.

    Parameters
    ----------
    scoring : str or callable
        A name that ``sklearn.metrics.get_scorer_names`` lists, or a scorer: a function from
        (estimator, X, y) to a number, of which more is better.
    name : str, default=None
        The column of the history; it ends in "score", "accuracy" or "acc", which says that more
        is better. None is ``valid_<scoring>_score``, or ``train_<scoring>_score``.
    on : {"validation", "training"}, default="validation"
        Which samples are scored. Those of the training are all computed once more after each
        epoch.

    See Also
    --------
    convnet_features.inspection.LearningCurvesDisplay : Draws a column of the history.

    Notes
    -----
    The scorer sees the estimator as its own ``score`` does, with `tta` where that is set. Sample
    weights do not count.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from convnet_features import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ConvNetClassifier(max_epochs=2, callbacks=[EpochScoring("f1_macro")], random_state=0)
    >>> sorted(set(net.fit(X, y).history_[-1]) - {"duration", "epoch", "learning_rate"})
    ['train_loss', 'valid_f1_macro_score', 'valid_loss', 'valid_score']
    """

    #: Before those that watch columns.
    place = -1
    changes_training = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "scoring": [str, callable],
        "name": [str, None],
        "on": [StrOptions({"validation", "training"})],
    }

    def __init__(
        self,
        scoring: str | Callable[[Any, Any, Any], float],
        name: str | None = None,
        on: str = "validation",
    ) -> None:
        self.scoring = scoring
        self.name = name
        self.on = on

    def on_training_begin(self, trainer: Trainer) -> None:
        """Check that there is something to score.

        Raises
        ------
        ValueError
            There are no validation data, the column's name does not say that more is better, or
            scikit-learn has no such score.
        TypeError
            The network is not trained by an estimator that scikit-learn's scorers know.
        """
        if trainer.fitted_estimator is None:
            raise TypeError(
                "EpochScoring scores ConvNetClassifier, ConvNetRegressor and "
                "ConvNetFeatureExtractor; nolearn's NeuralNet has custom_scores."
            )
        if self._samples(trainer) is None:
            raise ValueError(
                "EpochScoring: there are no validation data; hold some out by validation_fraction, "
                'give X_val and y_val to fit, or set on="training".'
            )
        if not more_is_better(self._column()):
            raise ValueError(
                f"EpochScoring: name={self.name!r} must end in {', '.join(OF_SCORES[:-1])} or "
                f"{OF_SCORES[-1]}: callbacks that watch the column know by this that more is "
                "better."
            )
        others = [each for each in trainer.callbacks if isinstance(each, EpochScoring)]
        columns = [*COLUMNS, *(each._column() for each in others)]
        if columns.count(self._column()) > 1:
            raise ValueError(
                f"EpochScoring: the history has a column {self._column()!r} already; give this "
                "score a name of its own."
            )
        check_scoring(trainer.fitted_estimator(), self.scoring)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        assert trainer.fitted_estimator is not None
        assert trainer.as_given is not None
        estimator, samples = trainer.fitted_estimator(), self._samples(trainer)
        images, y = samples.images[samples.rows], trainer.as_given(samples.targets[samples.rows])
        X = images.arrays if isinstance(images, Inputs) else images
        record[self._column()] = float(check_scoring(estimator, self.scoring)(estimator, X, y))

    def get_state(self) -> dict[str, Any]:
        return {}

    def _samples(self, trainer: Trainer) -> Any:
        return trainer.validation if self.on == "validation" else trainer.training

    def _column(self) -> str:
        if self.name is not None:
            return self.name
        scoring = self.scoring
        name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "custom")
        return f"{'valid' if self.on == 'validation' else 'train'}_{name}_score"
