"""Does the work behind each command of the command line: explains, prints and writes.

It is imported only once a command runs, because it needs TensorFlow and the flags do not. A good order of reading:
`outcome` (the results of a run so far), `explain` (the run itself), `tables` (what is printed); `places` and `localize`
for `tfviz localize`; `report` for `tfviz report`; `objectives`, `colors` and `visualize` for `tfviz visualize`; then
`compare`, `fool` and `export`.
"""

from tfviz.apps.runs.compare import CompareOptions, compare_files
from tfviz.apps.runs.explain import ExplainRun
from tfviz.apps.runs.export import export
from tfviz.apps.runs.fool import FoolOptions, fool
from tfviz.apps.runs.localize import Localized
from tfviz.apps.runs.outcome import Outcome, Request
from tfviz.apps.runs.places import Finder
from tfviz.apps.runs.report import report, usual_top
from tfviz.apps.runs.tables import print_layers, print_methods, print_outcome, print_places
from tfviz.apps.runs.visualize import VisualizeOptions, visualize
