"""HTTP service of the waste assistant: a registered model, an API and a web page.

It needs the packages `methods` and `releaf`, and a bundle that ``python -m service promote`` registers. It
imports neither the engine nor the stages.
"""
