"""What programs do, step by step, as their builders noted it."""

from __future__ import annotations

from collections.abc import Sequence

from ...contract import SizedNode
from ...steps import KernelStep
from ..plan.candidates import CANDIDATES, ONEDNN
from ..plan.choice import Taken
from ..program.program import Program
from ..stages.forward_plan import ForwardPlan

__all__ = ["backward_steps", "forward_steps"]

FORWARD = "forward"
#: What the steps are called whose kind of choice says which gradient they are.
GRADIENTS = {
    "gradient by a convolution's images": "gradient by images",
    "gradient by a convolution's filters": "gradient by filters",
}


def forward_steps(plan: ForwardPlan, seconds: Sequence[float] | None) -> list[KernelStep]:
    """Those of a forward program; `seconds` as `Program.timed` gives them."""
    steps = [
        _step(plan, group, _nodes(plan, group.taken), FORWARD)
        for group in _groups(plan.program, seconds)
        if group.taken is not None
    ]
    done = {number for step in steps for number in step.nodes}
    steps += [
        _no_step(plan, node, 0.0 if seconds is not None else None)
        for node in plan.graph.walk(plan.key.x_shapes, plan.key.param_shapes)
        if node.number not in done
    ]
    return sorted(steps, key=lambda step: step.nodes[0])


def _no_step(plan: ForwardPlan, node: SizedNode, seconds: float | None) -> KernelStep:
    """A concatenation of what was written to its place in it."""
    (record,) = (record for record in plan.records if record.value == node.value)
    return KernelStep(
        (node.number,),
        FORWARD,
        "no copy",
        "its inputs are written to their places in it",
        tuple(node.x_shapes),
        node.y_shape,
        plan.program.primitives.layout_of(record.y_desc),
        0,
        0,
        seconds,
    )


def backward_steps(
    plan: ForwardPlan, program: Program, seconds: Sequence[float] | None
) -> list[KernelStep]:
    """Those of a backward program."""
    found = []
    for group in _groups(program, seconds):
        if group.taken is not None:
            name = GRADIENTS.get(group.taken.choice.step, "gradient")
            found.append(_step(plan, group, _nodes(plan, group.taken), name))
    return found


class _Group:
    """The steps of a program that one choice stands behind."""

    def __init__(self, taken: Taken | None) -> None:
        self.taken = taken
        self.bytes = 0
        self.seconds: float | None = None


def _groups(program: Program, seconds: Sequence[float] | None) -> list[_Group]:
    groups: dict[object, _Group] = {}
    for index, ((_, arguments), taken) in enumerate(
        zip(program.steps, program.purposes, strict=True)
    ):
        key = taken and (taken.choice.step, taken.option)
        group = groups.setdefault(key, _Group(taken))
        group.bytes += sum(value.desc.size for value in arguments.values())
        if seconds is not None:
            group.seconds = (group.seconds or 0.0) + seconds[index]
    return list(groups.values())


def _nodes(plan: ForwardPlan, taken: Taken | None) -> list[SizedNode]:
    assert taken is not None
    walked = list(plan.graph.walk(plan.key.x_shapes, plan.key.param_shapes))
    return [walked[number] for number in sorted(taken.option.nodes)]


def _step(plan: ForwardPlan, group: _Group, nodes: list[SizedNode], step: str) -> KernelStep:
    assert group.taken is not None
    first, last = nodes[0], nodes[-1]
    records = {record.value: record for record in plan.records}
    forward = step == FORWARD
    inputs, output = (first.x_shapes, last.y_shape) if forward else ((last.y_shape,), None)
    if output is None:
        output = first.param_shapes[0] if step == "gradient by filters" else first.x_shapes[0]
    desc = records[last.value].y_desc if forward else records[first.value].x_desc
    layout = "plain" if step == "gradient by filters" else plan.program.primitives.layout_of(desc)
    return KernelStep(
        tuple([node.number for node in nodes]),
        step,
        group.taken.option.candidate.name,
        why(group.taken),
        tuple(inputs),
        output,
        layout,
        sum(node.stage.multiplications(node.x_shapes, node.param_shapes) for node in nodes),
        group.bytes,
        group.seconds,
    )


def why(taken: Taken) -> str:
    """Why a candidate was taken, and not the ones before it or the next."""
    reasons = [f"not {each.name}: {reason}" for each, reason in taken.passed_over]
    candidate = taken.option.candidate
    candidates = CANDIDATES[taken.choice.step]
    if candidate is not ONEDNN:
        following = candidates[candidates.index(candidate) + 1]
        reasons.append(f"rather than {following.name}: {candidate.gain}")
    return "; ".join(reasons) or candidate.gain
