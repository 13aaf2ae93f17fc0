"""Hardware addresses: EUI-48, as IEEE 802 writes them and as routers do.

    00:1A:2B:3C:4D:5E, 00-1A-2B-3C-4D-5E, 001a.2b3c.4d5e      -> MAC_ADDRESS

Off unless asked for: they are inventory more often than they are personal.
"""

from or_audit_logging.redaction.network import BY_CHOICE

MATCHERS = BY_CHOICE
