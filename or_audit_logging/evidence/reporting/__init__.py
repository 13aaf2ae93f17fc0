"""What a log says of its calls, in figures: `report` asks, `values` holds the answers, `sql/` the questions.

`period` says which days are meant, `json` and `tables` put a report on paper.
"""
