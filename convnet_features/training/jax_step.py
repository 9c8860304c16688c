"""Training steps as one function that JAX compiles, with parameters that stay on its device.

The loss, its gradients, the limit on their norm and the update rule are one
program; what it changes (the parameters, what the rule remembers) is handed
from step to step without leaving the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..network.functions import cached_program
from .gradients import GradientProgram
from .step import HostStep, Step
from .updates import Updater, split_vector

__all__ = ["JaxStep", "jax_step"]


class JaxStep:
    """A step of training on the device.

    Parameters
    ----------
    gradients : GradientProgram
        Compiled by JAX.
    updater : Updater
        Its rule compiled by JAX.
    theta : ndarray of shape (n_parameters,)
        All parameters: those that are trained first.
    values : sequence of ndarray
        Views of `theta`, in the order in which `gradients` takes them.
    max_norm : float or None
    """

    on_device: ClassVar[bool] = True

    def __init__(
        self,
        gradients: GradientProgram,
        updater: Updater,
        theta: np.ndarray,
        values: Sequence[np.ndarray],
        max_norm: float | None,
    ) -> None:
        self.updater = updater
        self.theta = theta
        self._device: tuple[Any, list[Any]] | None = None
        self._sound: Any = True
        self._step = _step_program(gradients, updater, _layout(theta, values), max_norm)

    def load(self) -> None:
        """Take parameters and the rule's state from the host."""
        import jax

        # Copies: JAX on a CPU would otherwise work on the host's own memory.
        state = [np.array(value) for value in self.updater.state]
        self._device = jax.device_put((self.theta.copy(), state))

    def fetch(self) -> None:
        """Bring them back."""
        assert self._device is not None, "load comes first"
        theta, state = self._device
        self.theta[...] = theta
        self.updater.load_state([np.asarray(value) for value in state])

    def __call__(
        self, data: Sequence[Any], strengths: Sequence[Any], generators: Sequence[Any]
    ) -> float:
        """One update; the loss before it."""
        from ..compilation.jax import as_key

        assert self._device is not None, "load comes first"
        arguments = [
            np.float32(self.updater.arguments[name]) for name in self.updater.rule.arguments
        ]
        theta, state, loss, self._sound = self._step(
            *self._device, (*data, *strengths), [as_key(each) for each in generators], arguments
        )
        self._device = theta, state
        return float(loss)

    def is_sound(self) -> bool:
        """Whether all parameters are finite numbers after the last update."""
        return bool(self._sound)


def jax_step(
    gradients: GradientProgram,
    updater: Updater,
    theta: np.ndarray,
    values: Sequence[np.ndarray],
    max_norm: float | None,
) -> Step:
    """A `JaxStep`; a `HostStep` where what it depends on may change without its knowledge."""
    can_be_compiled = hasattr(gradients.function, "traceable") and not updater.rule.live
    kind = JaxStep if can_be_compiled else HostStep
    return kind(gradients, updater, theta, values, max_norm)


Layout = tuple[tuple[int, tuple[int, ...]], ...]


def _layout(theta: np.ndarray, values: Sequence[np.ndarray]) -> Layout:
    """Where in `theta` each value begins, and its shape."""
    begin = theta.__array_interface__["data"][0]
    return tuple(
        ((value.__array_interface__["data"][0] - begin) // theta.itemsize, value.shape)
        for value in values
    )


def _step_program(
    gradients: GradientProgram, updater: Updater, layout: Layout, max_norm: float | None
) -> Callable[..., Any]:
    """The step, from the cache where a fit of such a network has left it: it takes JAX seconds."""
    function, shapes = updater.rule.function, tuple(updater.shapes)
    scaled = tuple((part.start, part.stop, factor) for part, factor in updater.scaled)
    return cached_program(
        ("step", gradients, function, shapes, layout, max_norm, scaled),
        lambda: _compiled_step(gradients, function, shapes, layout, max_norm, scaled),
    )


def _compiled_step(
    gradients: GradientProgram,
    function: Callable[..., Any],
    shapes: Sequence[tuple[int, ...]],
    layout: Layout,
    max_norm: float | None,
    scaled: Sequence[tuple[int, int, float]],
) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    differentiate = gradients.function.traceable  # type: ignore[attr-defined]
    rule = function.traceable  # type: ignore[attr-defined]

    def step(theta: Any, state: Any, data: Any, keys: Any, arguments: Any) -> Any:
        params = [theta[start : start + math.prod(shape)].reshape(shape) for start, shape in layout]
        loss, *results = differentiate(*data, *params, *keys)
        n_gradients = len(results) - len(gradients.updated)
        gradient = jnp.concatenate([jnp.ravel(each) for each in results[:n_gradients]])
        if max_norm is not None:
            norm = jnp.sqrt(jnp.vdot(gradient, gradient))
            gradient = gradient * jnp.minimum(1, max_norm / (norm + 1e-7))
        trained = split_vector(theta[: len(gradient)], shapes)
        new = rule(*trained, *state, *split_vector(gradient, shapes), *arguments)
        moved = jnp.concatenate([jnp.ravel(each) for each in new[: len(trained)]])
        for start, stop, factor in scaled:
            old = theta[start:stop]
            moved = moved.at[start:stop].set(old + factor * (moved[start:stop] - old))
        updated = theta.at[: len(gradient)].set(moved)
        for position, value in zip(gradients.updated, results[n_gradients:], strict=True):
            start, shape = layout[position]
            updated = updated.at[start : start + math.prod(shape)].set(jnp.ravel(value))
        # Where training diverges, the parameters are left as they were before.
        finite = jnp.isfinite(loss)
        state = [
            jnp.where(finite, value, old)
            for value, old in zip(new[len(trained) :], state, strict=True)
        ]
        theta = jnp.where(finite, updated, theta)
        return theta, state, loss, jnp.isfinite(theta).all()

    # A step may overwrite its arguments: nobody else holds them.
    return jax.jit(step, donate_argnums=(0, 1))
