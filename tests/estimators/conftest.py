"""The small digits and networks of the tests of training."""

from ..training.conftest import digits, make_learner, make_net

__all__ = ["digits", "make_learner", "make_net"]
