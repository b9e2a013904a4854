"""Parts of all report pages: blocks, drawings and the page template."""
