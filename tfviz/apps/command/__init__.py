"""The command `tfviz`."""

from tfviz.apps.command.app import app
