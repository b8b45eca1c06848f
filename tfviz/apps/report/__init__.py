"""The report: one HTML file about a model on pictures, which a person can read, pass on and sign.

A good order of reading: `facts` (which network, methods and software), `quantised` and `pictures` (maps in few bytes,
and what is said of each), `sections` (tables, curves and verdicts) with `charts` (how they are drawn) and `measured`
(what a comparison makes of them), `page` (the file), `card` (the same for programs, and as plain text). `templates/`,
`report.css` and `report.js` are the page itself.
"""

from tfviz.apps.report.card import card_json, card_of, card_text
from tfviz.apps.report.facts import facts_of_methods, identity_of
from tfviz.apps.report.measured import comparison_table, curves_of, untested, verdicts_of
from tfviz.apps.report.page import Report, check_installed, render_report
from tfviz.apps.report.pictures import ReportedPicture, report_picture
from tfviz.apps.report.quantised import Room, room_for
from tfviz.apps.report.sections import (
    ReportedCell,
    ReportedCurve,
    ReportedCurves,
    ReportedRow,
    ReportedTable,
    ReportedVerdict,
    Sections,
)
