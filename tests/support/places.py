"""Where things lie: the project, its scripts, and the test data beside the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
SHARED = ROOT.parent / "shared"
