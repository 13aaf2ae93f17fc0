"""`page`: a report as one HTML file that a browser only has to draw.

Read in this order. `markup` (elements; the only place where text is escaped), `style`, `document` (head and
policy). Small parts: `quantities` (numbers in words), `scale` (axes), `table`. Charts: `plot` (what they
share), `columns`, `curve`, `bars`. The page from top to bottom: `header`, `buckets` (days or weeks),
`cost`, `outcomes`, `speed`, `keeping`, `page`. Nothing here reads or writes a file, a clock or the network.
"""

from or_audit_logging.evidence.html.page import page as page
