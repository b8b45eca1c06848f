"""The `tfviz` command."""

from __future__ import annotations

from collections.abc import Sequence

from tfviz.apps.command.app import app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with the process's arguments, or with others, and exit with its status."""
    app(args=arguments, prog_name="tfviz")


if __name__ == "__main__":
    main()
