"""Pipeline on the emotion of artists' music over their careers.

Stage ``emotion-NAME`` is the function ``NAME`` of the module ``NAME`` in this folder; its
argument names are the stems of its input files in ``dvc.yaml``.
"""
