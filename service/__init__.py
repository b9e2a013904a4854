"""The waste assistant as a service: a registered model, an HTTP interface and one page.

It needs the mathematics (`methods`) and a bundle that ``python -m service promote`` registers; it knows
neither the engine nor the stages.
"""
