"""Stages of the waste assistant: the bin of an item, the reasons, and new uses.

Stage ``releaf-NAME`` is the function ``NAME`` of the module ``NAME`` in this folder. Its argument names, or
the fields of an argument that is a NamedTuple, are the stems of its input files in ``dvc.yaml``.
"""
