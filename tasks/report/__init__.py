"""Parts of the report pages of all pipelines: blocks, drawings and the page template."""
