"""The kinds of AWS cost report that are read."""

from __future__ import annotations

from enum import StrEnum


class ReportFormat(StrEnum):
    CUR = "CUR"
    """The Cost and Usage Report as it was first: its columns differ from month to month."""
    CUR_2 = "CUR 2.0"
    """The table COST_AND_USAGE_REPORT of Data Exports: the same columns, in names of SQL, some of them maps."""
    FOCUS_1_0 = "FOCUS 1.0"
    FOCUS_1_2 = "FOCUS 1.2"
    """The FinOps Open Cost and Usage Specification, as Data Exports deliver it."""

    @property
    def is_focus(self) -> bool:
        return self in (ReportFormat.FOCUS_1_0, ReportFormat.FOCUS_1_2)

    @property
    def is_export(self) -> bool:
        """Whether it comes from Data Exports, with their manifests and folders."""
        return self is not ReportFormat.CUR
