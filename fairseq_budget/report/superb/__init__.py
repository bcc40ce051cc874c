"""SUPERB's results as one table: a row for each upstream, the published ones beside, and the aggregate score.

``records`` finds and reads what downstream runs left, ``references`` has the published rows, ``score`` aggregates, ``table``
puts the rows together and ``formats`` writes them.
"""
