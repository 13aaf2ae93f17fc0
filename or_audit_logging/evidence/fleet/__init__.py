"""The logs of many hosts below one folder, verified at once (`or-audit verify --all`)."""
