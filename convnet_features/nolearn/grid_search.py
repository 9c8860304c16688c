"""The names of ``nolearn.grid_search``."""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pprint
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV

__all__ = ["grid_search", "print_report"]

_RULE = "== " * 20


def grid_search(
    dataset: Any,
    clf: Any,
    parameters: Mapping[str, Any],
    cv: Any = None,
    verbose: int = 4,
    n_jobs: int | None = 1,
    **kwargs: Any,
) -> GridSearchCV:
    """A `GridSearchCV`, fitted, with a report printed.

    Parameters
    ----------
    dataset : object
        With ``data`` and ``target``.
    clf : estimator
    parameters : dict
        The grid.
    cv, verbose, n_jobs
        Of `sklearn.model_selection.GridSearchCV`.
    **kwargs
        Further arguments of it.

    Returns
    -------
    GridSearchCV

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression(max_iter=1000)
    >>> search = grid_search(load_iris(), model, {"C": [1.0, 3.0]}, verbose=0)
    >>> search.best_params_
    {'C': 3.0}
    """
    search = GridSearchCV(clf, parameters, cv=cv, verbose=verbose, n_jobs=n_jobs, **kwargs)
    if verbose:
        print("parameters:")
        pprint(parameters)
    search.fit(dataset.data, dataset.target)
    if verbose:
        print_report(search, parameters)
    return search


def print_report(grid_search: GridSearchCV, parameters: Mapping[str, Any]) -> GridSearchCV:
    """Print all parameters of the best estimator, its score, and those of the grid.

    Parameters
    ----------
    grid_search : GridSearchCV
        Fitted.
    parameters : dict
        The grid.

    Returns
    -------
    GridSearchCV
        `grid_search`.
    """
    best = grid_search.best_estimator_.get_params()
    print(f"\n{_RULE}\nAll parameters:")
    for name, value in sorted(best.items()):
        if not isinstance(value, BaseEstimator):
            print(f"    {name}={value!r},")
    print(f"\n{_RULE}\nBest score: {grid_search.best_score_:0.4f}\nBest grid parameters:")
    for name in sorted(parameters):
        print(f"    {name}={best[name]!r},")
    print(_RULE)
    return grid_search
