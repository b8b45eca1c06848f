"""The report: one HTML file about a model on pictures, which a person can read, pass on and sign.

A good order of reading: `facts` (which network, methods and software), `quantised` and `pictures` (maps in few bytes,
and what is said of each), `sections` (tables, curves and verdicts) with `charts` (how they are drawn), `measured` (what
a comparison makes of them), `metadata` and `subgroups` (the same of groups of pictures), `page` (the file), `card` with
`limits` (the same for programs) and `card_text` (as plain text). `templates/`, `report.css` and `report.js` are the
page itself.
"""

from tfviz.apps.report.card import card_json, card_of
from tfviz.apps.report.card_text import card_text
from tfviz.apps.report.facts import facts_of_methods, identity_of
from tfviz.apps.report.measured import (
    comparison_table,
    curves_of,
    metrics_of,
    untested,
    verdicts_of,
    with_picture_names,
)
from tfviz.apps.report.metadata import Grouping, Metadata, read_metadata
from tfviz.apps.report.page import Report, check_installed, render_report
from tfviz.apps.report.pictures import ReportedPicture, report_picture
from tfviz.apps.report.quantised import Room, room_for
from tfviz.apps.report.sections import (
    ReportedCell,
    ReportedCurve,
    ReportedCurves,
    ReportedMetric,
    ReportedRow,
    ReportedTable,
    ReportedVerdict,
    Sections,
)
from tfviz.apps.report.subgroups import subgroup_tables
