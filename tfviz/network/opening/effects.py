"""Finds operations that reach out of the network, to files, other machines or Python, in a graph before it runs.

An operation that keeps a state must be of a known family (`stateful_operations`) and is refused otherwise; of those
that keep none, the ones that reach out are listed, and a test looks at each that TensorFlow has. Everything that an
operation may call is followed: functions that any attribute names, their gradients, and other implementations of the
same. A table may be filled from a file only if that is an asset of the SavedModel itself, so each function is looked at
once for each set of arguments that are such paths.

An operation that this TensorFlow does not have is let through: it cannot run here either, and loading says that a
library is missing. One of a library that was imported is refused if it keeps a state, and taken for arithmetic if not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from tfviz.network.opening.python_functions import PY_FUNCTIONS
from tfviz.network.opening.stateful_operations import STAYS_INSIDE
from tfviz.network.opening.trust import Finding, quoted
from tfviz.network.program import operation_definition

FILES = "touches files"
MACHINES = "talks to other machines"
PYTHON = "calls a Python function (py_function)"
HIDDEN = "runs what cannot be looked through"
UNKNOWN = "is not known to stay inside of the network"

RESTORES = frozenset({"RestoreV2", "Restore", "RestoreSlice"})
# A table's vocabulary is read when a SavedModel is loaded, which is right if it is a file of the SavedModel itself.
FILLED_FROM_FILES = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})

# Operations that are known to reach out. Those that keep a state and stand neither here nor in `STAYS_INSIDE` are
# refused all the same; of those that keep none, a test looks at each that TensorFlow has.
_TOUCHING_FILES = """
ReadFile WriteFile MatchingFiles ImmutableConst RecordInput GenerateVocabRemapping LoadAndRemapMatrix Skipgram NegTrain
Save SaveSlices SaveV2 DistributedSave MergeV2Checkpoints CheckpointHasKey FileSystemSetConfiguration DumpTensor
WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 FixedLengthRecordReader FixedLengthRecordReaderV2
TFRecordReader TFRecordReaderV2 LMDBReader TextLineDataset FixedLengthRecordDataset FixedLengthRecordDatasetV2
TFRecordDataset TFRecordDatasetV2 CSVDataset CSVDatasetV2 ExperimentalCSVDataset SqlDataset ExperimentalSqlDataset
LMDBDataset ExperimentalLMDBDataset MatchingFilesDataset ExperimentalMatchingFilesDataset CacheDataset CacheDatasetV2
SnapshotDataset SnapshotDatasetV2 SnapshotDatasetReader SnapshotNestedDatasetReader SnapshotChunkDataset
ListSnapshotChunksDataset SaveDataset SaveDatasetV2 LoadDataset DatasetToTFRecord ExperimentalDatasetToTFRecord
SummaryWriter CreateSummaryFileWriter CreateSummaryDbWriter FlushSummaryWriter CloseSummaryWriter ImportEvent
WriteSummary WriteRawProtoSummary WriteAudioSummary WriteGraphSummary WriteHistogramSummary WriteImageSummary
WriteScalarSummary StatsAggregatorSetSummaryWriter CalibrationStatisticsSaver DTensorRestoreV2 DebugIdentity
DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2
"""
_TALKING_TO_MACHINES = """
Send Recv _Send _Recv _HostSend _HostRecv RemoteCall Rpc TryRpc RpcCall RpcClient RpcServer RpcServerStart
RpcServerRegister WorkerHeartbeat DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4
RegisterDataset RegisterDatasetV2 NcclAllReduce NcclBroadcast NcclReduce CollectiveAllToAllV2 CollectiveAllToAllV3
CollectiveAssignGroupV2 CollectiveBcastRecv CollectiveBcastRecvV2 CollectiveBcastSend CollectiveBcastSendV2
CollectiveGather CollectiveGatherV2 CollectiveInitializeCommunicator CollectivePermute CollectiveReduce
CollectiveReduceScatterV2 CollectiveReduceV2 CollectiveReduceV3 ConfigureDistributedTPU ShutdownDistributedTPU
"""
_HIDING = "DatasetFromGraph MlirPassthroughOp RemoteFusedGraphExecute XlaCallModule XlaCustomCall XlaCustomCallV2 Abort"
_EFFECTS = {
    FILES: RESTORES | FILLED_FROM_FILES | frozenset(_TOUCHING_FILES.split()),
    MACHINES: frozenset(_TALKING_TO_MACHINES.split()),
    PYTHON: PY_FUNCTIONS,
    HIDDEN: frozenset(_HIDING.split()),
}
_BY_TYPE = {operation: effect for effect, operations in _EFFECTS.items() for operation in operations}
# Operations that touch files only if an attribute says so: the attribute, and its harmless values.
_BY_ATTRIBUTE = {
    "FixedUnigramCandidateSampler": ("vocab_file", ("",)),
    "DecodeProtoV2": ("descriptor_source", ("", "local://")),
    "EncodeProto": ("descriptor_source", ("", "local://")),
    "PrintV2": ("output_stream", ("", "stderr", "stdout", "log(info)", "log(warning)", "log(error)")),
}
IN_THE_ATTRIBUTE = "bytes://"
KNOWN = 4096  # types of operations that are remembered: TensorFlow has 1,500, a file may name any
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# TensorFlow may run any function of the same value instead of one that is called.
_ALIKE = "api_implements"
NO_ASSETS: frozenset[str] = frozenset()
Call = tuple[str, frozenset[str]]
"""A function by its name, and those of its arguments that are paths of the SavedModel's own files."""


def effect_of(node: Any) -> str:
    """Return what an operation, a `NodeDef`, does outside of the network; empty if it stays inside."""
    if node.op in _BY_ATTRIBUTE:
        name, harmless = _BY_ATTRIBUTE[node.op]
        value = _text(node.attr[name].s) if name in node.attr else ""
        return "" if value in harmless or value.startswith(IN_THE_ATTRIBUTE) else FILES
    return _effect_of_type(node.op)


@lru_cache(KNOWN)
def _effect_of_type(operation: str) -> str:
    """Return the effect of an operation by its type alone: as listed, or `UNKNOWN` for a state of no known family."""
    if operation in _BY_TYPE:
        return _BY_TYPE[operation]
    definition = operation_definition(operation)
    is_reviewed = definition is None or not definition.is_stateful or STAYS_INSIDE.fullmatch(operation)
    return "" if is_reviewed else UNKNOWN


class FunctionLibrary:
    """The functions of a graph's library, a `FunctionDefLibrary`, by name; names that it lacks are passed over."""

    def __init__(self, library: Any) -> None:
        self._by_name: dict[str, Any] = {function.signature.name: function for function in library.function}
        self._gradients: dict[str, str] = {each.function_name: each.gradient_func for each in library.gradient}
        self._alike: dict[bytes, list[str]] = {}
        for name, function in self._by_name.items():
            if _ALIKE in function.attr:
                self._alike.setdefault(function.attr[_ALIKE].s, []).append(name)

    def effects_of_functions(self, calls: Iterable[Call]) -> Iterator[Finding]:
        """Yield the effects of functions, and of all that they may call; each is looked at once for the same assets."""
        pending, seen = list(calls), set()
        while pending:
            name, assets = pending.pop()
            function = self._by_name.get(name)
            if function is not None and (name, assets) not in seen:
                seen.add((name, assets))
                yield from self._effects_in(_Body(function.node_def, assets), pending)
                others = [self._gradients.get(name, ""), *self._named_in(function.attr)]
                pending += [(other, NO_ASSETS) for other in others]

    def effects_of_operations(self, nodes: Iterable[Any], assets: frozenset[str] = NO_ASSETS) -> Iterator[Finding]:
        """Yield the effects of operations, `NodeDef`s, and of all functions that they may call.

        assets: the operations whose results are paths of the SavedModel's own files.
        """
        called: list[Call] = []
        yield from self._effects_in(_Body(nodes, assets), called)
        yield from self.effects_of_functions(called)

    def _effects_in(self, body: _Body, called: list[Call]) -> Iterator[Finding]:
        """Yield the effects of the operations of a body; append the functions that they may call to `called`."""
        for node in body.nodes:
            reads_asset = node.op in FILLED_FROM_FILES and len(node.input) > 1 and body.is_asset(node.input[1])
            # Attributes that the caller of the function fills in cannot be seen here.
            is_open = any(each.placeholder for each in node.attr.values())
            effect = HIDDEN if is_open else "" if reads_asset else effect_of(node)
            if effect:
                yield Finding(f"the operation {quoted(node.op)[1:-1]} ({quoted(node.name)})", effect)
            for name in {node.op, *self._named_in(node.attr)} & self._by_name.keys():
                called.append((name, self._assets_given(name, node, body)))

    def _named_in(self, attributes: Mapping[str, Any]) -> Iterator[str]:
        """Yield the functions that attributes name, in whatever way, and those that may run in their place."""
        for attribute in attributes.values():
            yield attribute.func.name
            yield from self._named_in(attribute.func.attr)
            yield from (function.name for function in attribute.list.func)
            yield from map(_text, (attribute.s, *attribute.list.s))
            yield from self._alike.get(attribute.s, ())

    def _assets_given(self, name: str, node: Any, body: _Body) -> frozenset[str]:
        """Return which arguments of a called function are paths of the SavedModel's own files."""
        if node.op not in {*_CALLS, name}:
            return NO_ASSETS
        given = [value for value in node.input if not value.startswith("^")]
        pairs = zip(self._by_name[name].signature.input_arg, given, strict=False)
        return frozenset(argument.name for argument, value in pairs if body.is_asset(value))


class _Body:
    """Operations of a graph or function, and which values in it are paths of the SavedModel's own files."""

    def __init__(self, nodes: Iterable[Any], assets: frozenset[str]) -> None:
        self.nodes = list(nodes)
        self._assets = set(assets)
        # One pass in the order of the list. An Identity listed before what it copies is missed, which refuses too much,
        # never too little.
        for node in self.nodes:
            if node.op == "Identity" and node.input and self.is_asset(node.input[0]):
                self._assets.add(node.name)

    def is_asset(self, value: str) -> bool:
        """Return whether a value, as operations name their inputs, is such a path."""
        return producer(value) in self._assets


def producer(value: str) -> str:
    """Return the operation or argument that a value comes from: that of the input `add:z:0`, or `^add`, is `add`."""
    return value.removeprefix("^").partition(":")[0]


def effects_of_traced(function: Any) -> Iterator[Finding]:
    """Yield the effects of a traced function, a `ConcreteFunction`."""
    graph = function.graph.as_graph_def()
    return FunctionLibrary(graph.library).effects_of_operations(graph.node)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
