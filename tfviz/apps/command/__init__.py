"""The command `tfviz`.

A good order of reading: `app` (the subcommands), `flags` (options made from dataclasses and signatures), `options` and
`arguments` (those written by hand, and their checks), `behaviour` (errors and warnings in one line); then a module for
each command. Nothing here imports TensorFlow before a command has checked its arguments.
"""

from tfviz.apps.command.app import app
