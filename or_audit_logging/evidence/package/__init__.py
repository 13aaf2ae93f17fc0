"""The auditor's package: a part of a log that proves itself, made and checked."""
