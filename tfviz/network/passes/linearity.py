"""Whether scores are linear in the map of a layer, as where a global average pooling and one dense layer follow it.

Then a score is a constant and the sum of the map times its own gradient, so what it loses without some of the map is
known from one backward pass. It is read off the program: each operation on the way must be linear in what depends on
the layer, whatever else it is given. An operation that is not listed counts as not linear.
"""

from __future__ import annotations

from tfviz.network.program import NORMALISATIONS, Program, Step, Value

# Linear in all of their inputs together: sums, and what only moves numbers.
ADDITIVE = frozenset({"Add", "AddN", "AddV2", "BiasAdd", "ConcatV2", "Neg", "Pack", "Sub"})
# Linear in each input as long as the others are fixed.
PRODUCTS = frozenset({"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D", "DepthwiseConv2dNative"}) | frozenset(
    {"Conv3D", "Einsum", "MatMul", "Mul"}
)
# Linear in their first input alone, as long as the others are fixed; splits are given it second.
FIRST = frozenset(
    {"AvgPool", "AvgPool3D", "BatchToSpaceND", "BroadcastTo", "DepthToSpace", "Div", "ExpandDims", "GatherV2"}
    | {"Identity", "Mean", "MirrorPad", "Pad", "PadV2", "RealDiv", "Reshape", "ResizeBilinear", "Slice"}
    | {"ResizeNearestNeighbor", "SpaceToBatchND", "SpaceToDepth", "SplitV", "Squeeze", "StridedSlice", "Sum"}
    | {"Tile", "Transpose", "Unpack"}
)
SECOND = frozenset({"Split"})


def is_linear(program: Program, value: Value, result: Value) -> bool:
    """Return whether a result is an affine function of a value, given all that does not depend on it."""
    reached, needed = program.reached_by([value]), program.needed_for([result], known=[value])
    steps = [step for step in program.steps if reached.intersection(step.outputs) and needed.intersection(step.outputs)]
    steps = [step for step in steps if value not in step.outputs]
    return result in reached and all(_is_linear(step, [each in reached for each in step.inputs]) for step in steps)


def _is_linear(step: Step, depends: list[bool]) -> bool:
    """Return whether a step is linear in the inputs that depend on a value; depends: which these are."""
    if not any(value.dtype.is_floating for value in step.outputs):
        return False
    if step.type in ADDITIVE:
        return True
    if step.type in PRODUCTS:
        return sum(depends) == 1
    if step.type in NORMALISATIONS:
        return not step.operation.get_attr("is_training") and not any(depends[1:])
    if step.type == "Cast":
        return bool(step.inputs[0].dtype.is_floating)
    own = 1 if step.type in SECOND else 0
    return step.type in FIRST | SECOND and not any(depends[:own] + depends[own + 1 :])
