"""What the pages of all pipelines are made of: blocks, drawings, and the template that sets them."""
