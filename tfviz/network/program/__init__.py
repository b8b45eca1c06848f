"""A traced function as a flat list of steps, the form in which every network is read, rewritten and run.

The second stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: `opening`
hands over one traced function; `layers` and `geometry` read its steps, `rewriting` changes them, `replay` runs them.
Read `program` first (values, steps, programs), then `operations` (one step run again), `inputs` (which argument is the
image) and `compiling` (functions that are traced once). TensorFlow's private parts are touched in `internals` alone.
"""

from tfviz.network.program.compiled_functions import CompiledFunctions
from tfviz.network.program.compiling import (
    checked,
    compile_function,
    on_its_own,
    operation_without_gradient,
    reason_of,
    with_captured,
)
from tfviz.network.program.inputs import (
    COUNTING,
    NO_EXTRA_INPUTS,
    Decoding,
    Inputs,
    find_inputs,
    is_batch,
    is_encoded,
    is_image,
    rows_of,
)
from tfviz.network.program.internals import (
    distributed_variable,
    gradient_tag,
    has_gradient,
    has_kernel,
    has_python_function,
    is_tensorflows_own,
    operation_definition,
)
from tfviz.network.program.operations import Tensors, TensorsByValue, run_operation
from tfviz.network.program.program import (
    CALLS,
    CASES,
    CONDITIONS,
    HANDLES,
    LOOPS,
    NORMALISATIONS,
    SHAPES,
    Boundary,
    EachImage,
    Program,
    Step,
    Value,
    by_argument,
    is_compiled_call,
    program_of,
)
