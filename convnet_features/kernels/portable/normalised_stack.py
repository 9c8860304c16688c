"""Stacks with batch normalisation, whose statistics are of all samples."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from convnet_features.kernels.contract import NormStage, StackKernel, Stage
from convnet_features.kernels.portable.elementwise import activate, activation_gradient
from convnet_features.kernels.portable.normalisation import normalise, normalise_gradient
from convnet_features.kernels.portable.stack import PortableStack
from convnet_features.kernels.portable.steps import Arrays, Gradients

__all__ = ["PortableNormalisedStack"]


class PortableNormalisedStack(StackKernel):
    """The runs of stages between normalisations, each a stack, and the normalisations.

    Parameters
    ----------
    stages : tuple of Stage
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self._pieces: list[StackKernel | _Normalisation] = []
        self._n_params: list[int] = []
        for normalises, run in groupby(stages, lambda stage: isinstance(stage, NormStage)):
            own = list(run)
            if normalises:
                self._pieces += [_Normalisation(stage) for stage in own]  # type: ignore[arg-type]
                self._n_params += [stage.n_params for stage in own]
            else:
                self._pieces.append(PortableStack(tuple(own)))
                self._n_params.append(sum(stage.n_params for stage in own))

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        for piece, own in zip(self._pieces, self._divided(params), strict=True):
            x = piece.forward(x, own)
        return x

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        saved = []
        for piece, own in zip(self._pieces, self._divided(params), strict=True):
            y, workspace = piece.forward_training(x, own)
            saved.append((workspace, x, y))
            x = y
        return x, saved

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        return [
            statistic
            for piece, (own, _, _) in zip(self._pieces, workspace, strict=True)
            for statistic in piece.statistics(own)
        ]

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> Gradients:
        gradients: list[np.ndarray] = []
        passes = list(zip(self._pieces, self._divided(params), workspace, strict=True))
        for index, (piece, own, (saved, given, made)) in reversed(list(enumerate(passes))):
            gx, of_params = piece.backward(
                saved, given, own, made, gy, input_grad=input_grad or index > 0
            )
            gradients = [*of_params, *gradients]
            if gx is None:
                return None, gradients
            gy = gx
        return gy, gradients

    def _divided(self, params: Arrays) -> list[list[np.ndarray]]:
        """The parameters of each piece."""
        remaining = iter(params)
        return [[next(remaining) for _ in range(count)] for count in self._n_params]


class _Normalisation(StackKernel):
    """One `NormStage`."""

    def __init__(self, stage: NormStage) -> None:
        self._stage = stage
        self._rectify = stage.activation == "rectify"

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        return self.forward_training(x, params)[0]

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        gamma, beta = params
        y, *statistics = normalise(x, gamma, beta, self._stage.epsilon, self._rectify)
        return (y if self._rectify else activate(y, self._stage.activation)), statistics

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        return list(workspace)

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> Gradients:
        if not self._rectify:
            gy = activation_gradient(gy, y, self._stage.activation)
        (gamma, _), (mean, inv_std) = params, workspace
        gx, *gradients = normalise_gradient(x, gamma, mean, inv_std, y, gy, self._rectify)
        return (gx if input_grad else None), gradients
