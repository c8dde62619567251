"""The principles that the Caltech lab asks about (sections 1 and 3), each as an experiment that ends in claims.

One principle per file: a function that measures, and one that turns what was measured into tables and claims. Nothing
here prints, draws or records; `labkit task=principles` does.
"""
