"""Remembers which network made a result, without keeping the network alive.

A fingerprint takes long, so it is found when it is first asked for. Until then an origin refers weakly to the traced
function and holds a stamp of the weights as they were: if the function is gone or the stamp is another, the fingerprint
is not known any more. It is found at the latest for a pickle, since another process has no such function.
"""

from __future__ import annotations

import weakref
from typing import Any

from tfviz.data_format import DataFormat
from tfviz.errors import emit_warnings
from tfviz.network.traced.fingerprint import fingerprint_of, stamp
from tfviz.network.traced.traced import TracedNetwork

CHANGED = "its weights have changed since it was explained"
GONE = "neither its model nor its trace exists any more"


class NetworkOrigin:
    """The network that made a result, as it was then.

    part: what of its model is explained, see `explained_part`. If the model is trained further or garbage collected
    afterwards, the fingerprint is None and a warning says why, unless it was asked for before.
    """

    def __init__(self, network: TracedNetwork) -> None:
        self.part = explained_part(network)
        self._fingerprint: str | None = None
        self._unknown: str | None = None
        # The network itself would not do: `trace` returns a new copy each time.
        self._function: Any = weakref.ref(network.function)
        self._stamp = stamp(network.function)

    @property
    def fingerprint(self) -> str | None:
        """See `tfviz.network.traced.fingerprint`; None, with a warning, if the network is gone or has changed."""
        if self._fingerprint is None:
            why = self._why_unknown()
            if why is not None:
                emit_warnings([f"the fingerprint of the network that made this is not known: {why}"])
                return None
            self.remember()
        return self._fingerprint

    def remember(self) -> None:
        """Find the fingerprint now, while the network is there and unchanged, which is not checked here."""
        self._fingerprint = fingerprint_of(self._function())

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the network, whose fingerprint goes in its place."""
        found = self.fingerprint
        why = self._why_unknown() if found is None else None
        return {**vars(self), "_fingerprint": found, "_unknown": why, "_function": None}

    def _why_unknown(self) -> str | None:
        """Return why the network cannot be described any more; None if it is as it was."""
        if self._unknown is not None:
            return self._unknown
        function = self._function()
        try:
            if function is None:
                return GONE
            return None if stamp(function) == self._stamp else CHANGED
        except AssertionError:
            # A variable of the function does not exist any more.
            return GONE


def explained_part(network: TracedNetwork) -> dict[str, Any]:
    """Return what of a model is explained: its image, the other inputs, its outputs, its cut, how it runs.

    It is plain data for a manifest: texts, lists of texts, None. Removed randomness and channels first are named only
    if the network has them.
    """
    inputs, outputs = network.inputs, network.outputs
    changed = {} if network.running.random == "keep" else {"random": network.running.random}
    if network.inputs.data_format != DataFormat.CHANNELS_LAST:
        changed["data_format"] = str(network.inputs.data_format)
    return {
        "signature": network.signature,
        "input": inputs.name,
        "others": list(inputs.extra_inputs),
        "outputs": outputs.names,
        "cut": network.cut,
        "precision": network.precision,
        **changed,
    }
