"""The public `explain` and its result, the `Explanation`, which can be plotted and saved.

A good order of reading: `explain` (runs several methods at once), `shown` and `titles` (which part of a result is
shown, under which words), `explanation` (the result as figures and files), `html` (as a notebook shows it),
`manifest` (as JSON). Runs, exports and the callback write the same manifest.
"""

from tfviz.apps.explanation.explain import explain
from tfviz.apps.explanation.explanation import Explanation, write_plot
from tfviz.apps.explanation.manifest import MANIFEST_SCHEMA, manifest_entry, manifest_of, versions, write_manifest
from tfviz.apps.explanation.shown import CLIP_PERCENTILE, channel_step, shown
from tfviz.apps.explanation.titles import column_titles
