"""A log as tables for questions in SQL: `open_books` gives a folder or a store the view `audit_log`.

Read in this order: `period` (which time is asked for), `pages` (a log's lines as rows), `columns` (which of
them a question needs), `opened` (what an engine offers), `sqlite` (with `percentiles`) and
`duckdb` (the engines), `opening`.
"""
