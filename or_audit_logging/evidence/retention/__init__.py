"""Keeping a log and letting go of it: retention, holds, records that are redacted."""
