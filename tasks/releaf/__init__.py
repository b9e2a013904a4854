"""The waste assistant: which bin a thing belongs in, why, and what else it could become.

Stage ``releaf-NAME`` is the function ``NAME`` of the module ``NAME`` in this folder; its
argument names are the stems of its input files in ``dvc.yaml``.
"""
