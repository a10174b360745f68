"""Documents as one self-contained HTML page, to read with the eye what was found and what was not read."""

from clinspan.view.report import ReportWriter, render, write_report

__all__ = ["ReportWriter", "render", "write_report"]
