"""The command `tfviz`.

A good order of reading: `app` (the subcommands), `flags` (options made from dataclasses and signatures), `options` and
`arguments` (those written by hand, and their checks), `behaviour` (errors and warnings in one line); then a module for
each command. A command imports TensorFlow after it has checked its arguments, with two exceptions: flags of methods and
attacks are made from their functions, and `batch` looks up its files with Beam.
"""

from tfviz.apps.command.app import app
