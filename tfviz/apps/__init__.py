"""The ways to run tfviz: from Python, on files, as exports, while training, in pipelines and on the command line.

A good order of reading: `files` (pictures and results on disk), `explanation` (the public `explain` and its result),
`model` (how a model is opened and its images are made), then `export`, `training` and `records`, each on these, `beam`
on records, and last the command line: `runs` does the work of each command, `command` has only its flags.
"""
