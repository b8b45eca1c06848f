"""The work behind each command: what is explained, printed and written."""

from tfviz.apps.runs.explain import Run
from tfviz.apps.runs.export import export
from tfviz.apps.runs.fool import FoolOptions, fool
from tfviz.apps.runs.localize import Localized
from tfviz.apps.runs.outcome import Outcome, Request
from tfviz.apps.runs.places import Finder
from tfviz.apps.runs.tables import print_layers, print_methods, print_outcome, print_places
from tfviz.apps.runs.visualize import VisualizeOptions, visualize
