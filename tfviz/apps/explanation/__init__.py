"""`explain` and its result: what was explained, how it is shown, kept and told apart."""

from tfviz.apps.explanation.explain import explain
from tfviz.apps.explanation.explanation import Explanation
from tfviz.apps.explanation.manifest import MANIFEST_SCHEMA, manifest_entry, manifest_of, versions, write_manifest
from tfviz.apps.explanation.shown import channel_step, shown
