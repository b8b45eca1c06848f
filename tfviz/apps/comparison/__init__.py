"""Compares methods on a user's own model and images: `tfviz.compare` and the table that it returns.

Read `compare` first (what is run), then `comparison` (what comes of it), `table` (its rows as texts), and last
`writing` and `page` (files and notebooks).
"""

from tfviz.apps.comparison.compare import COMPARED, MEASURED_BY, compare, comparison_of
from tfviz.apps.comparison.comparison import Comparison
from tfviz.apps.comparison.table import counted, headings_of, sentences_of, table_of_comparison
