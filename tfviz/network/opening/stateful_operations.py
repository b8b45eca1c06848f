"""Operations that keep a state, all of it inside of the process, a family a line.

`effects` lets those through that match a line as a whole. An operation with a state that matches none is refused, since
it is not known to stay inside of the network. Families are patterns, so that the next version of an operation is let
through with those before it; words that would reach further, such as `ReadFile` beside `ReadVariableOp`, are told apart
in `effects`, whose lists are asked first.
"""

from __future__ import annotations

import re

_FAMILIES = (
    r"(Assign|Resource|Read(?!er)|Var|Variable)\w*|TemporaryVariable|DestroyResourceOp|DisableCopyOnRead",
    r"(Random|Stateful|Rng|Parameterized|Truncated)(?!PartitionedCall)\w+|Multinomial|NonDeterministicInts|SampleDistorted\w+",
    r"StatelessRandomGetAlg|\w*CandidateSampler|(Anonymous|Delete|Dummy)\w*SeedGenerator",
    r"(Mutable|Anonymous|Lookup|Hash)\w*Table\w*|InitializeTable(V2|FromDataset)",
    r"If|While|Case|StatefulPartitionedCall|Assert|CheckNumerics(V2)?|Print|PrintV2|Timestamp|Empty|DeepCopy|GuaranteeConst",
    r"(TensorArray|Stack)\w*|\w*Queue\w*|(Ordered)?Map(Stage|Unstage|UnstageNoKey|Clear|IncompleteSize|Peek|Size)",
    r"(Un)?[Ss]tage\w*|Barrier|MutexV2|MutexLock|ConsumeMutexLock|\w*(Conditional|Resource)Accumulator\w*",
    r"(Experimental)?(Generator|GlobalShuffle|GroupByReducer|List|Random|Range|Reduce|Shuffle|ShuffleAndRepeat)Dataset\w*",
    r"(Experimental)?(SparseTensorSlice|Tensor|TensorSlice|ThreadPool)Dataset|DatasetToSingleElement|\w*ThreadPoolHandle",
    r"(Anonymous|Delete|Make|OneShot|MultiDevice)?Iterator\w*|AnonymousMultiDeviceIterator\w*|DeleteMultiDeviceIterator",
    r"CudnnRNN\w*",
)
STAYS_INSIDE = re.compile("|".join(_FAMILIES))
