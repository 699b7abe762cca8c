"""The book's own tools: execute the notebooks, build the pages, keep what is committed in order.

``python -m book._tools --help`` lists the commands.  They need the ``book`` extra.
"""
