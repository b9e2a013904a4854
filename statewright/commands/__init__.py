"""The commands of the command line: each a few lines over the engine.

Every function takes the parsed options and returns the exit status. Imports are local, so that a
command loads what it needs and no more.
"""

OK, FAILED = 0, 1
