"""Domain of the waste assistant: from a question about an item to its bin.

The package holds the facts and rules of the product: the bins and materials of each city (`bins`),
the folding of item names (`names`), warnings (`cautions`), cards and lists (`knowledge`), the model
of a city's list (`stream_model`), the material of a photograph (`photographs`), and the answer that
combines them (`answers`). It reads no file and opens no connection. It imports `methods` only; the
stages in ``tasks/releaf`` and the service use it.
"""
