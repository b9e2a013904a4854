"""The graph of the stages as a drawing: SVG, Mermaid, and a page."""
