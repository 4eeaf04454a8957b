"""What a line of a cost report is for: a closed table, so that nothing is taken for usage that nobody has looked at.

A line's charge type is its line item type (CUR) or charge category (FOCUS) where the table below has it. Two things are
told apart beyond that, because finance does: support fees, by their service, and what is bought on the AWS
Marketplace, by its billing entity; taxes, credits and refunds on them stay what they are. Everything else is
*unclassified*: counted, shown and reconciled under that name until it is in the table.
"""

from __future__ import annotations

from enum import StrEnum


class ChargeGroup(StrEnum):
    """In which of a finance person's columns it stands."""

    USAGE = "Usage"
    COMMITMENT = "Commitment"
    """Bought in advance: reservations and savings plans, and what offsets the usage that they pay for."""
    FEE = "Fee"
    SUPPORT = "Support"
    MARKETPLACE = "Marketplace"
    TAX = "Tax"
    CREDIT = "Credit"
    REFUND = "Refund"
    DISCOUNT = "Discount"
    UNCLASSIFIED = "Unclassified"


UNCLASSIFIED = "unclassified"
SUPPORT = "Support"
MARKETPLACE = "Marketplace"
CORRECTION = "Correction"
"""FOCUS: a charge class of its own, whatever its category."""

CUR_LINE_ITEM_TYPES: dict[str, ChargeGroup] = {
    # AWS, Data Exports user guide, line item details
    "Usage": ChargeGroup.USAGE,
    "DiscountedUsage": ChargeGroup.USAGE,
    "SavingsPlanCoveredUsage": ChargeGroup.USAGE,
    "SavingsPlanNegation": ChargeGroup.COMMITMENT,
    "SavingsPlanUpfrontFee": ChargeGroup.COMMITMENT,
    "SavingsPlanRecurringFee": ChargeGroup.COMMITMENT,
    "RIFee": ChargeGroup.COMMITMENT,
    "Fee": ChargeGroup.FEE,
    "FlatRateSubscription": ChargeGroup.FEE,
    "Tax": ChargeGroup.TAX,
    "Credit": ChargeGroup.CREDIT,
    "Refund": ChargeGroup.REFUND,
    "BundledDiscount": ChargeGroup.DISCOUNT,
    "Discount": ChargeGroup.DISCOUNT,
    # Seen in bills, and in AWS's own queries (Cloud Intelligence Dashboards)
    "EdpDiscount": ChargeGroup.DISCOUNT,
    "PrivateRateDiscount": ChargeGroup.DISCOUNT,
    "RiVolumeDiscount": ChargeGroup.DISCOUNT,
    "SppDiscount": ChargeGroup.DISCOUNT,
}
FOCUS_CHARGE_CATEGORIES: dict[str, ChargeGroup] = {
    # FOCUS 1.0 to 1.2, ChargeCategory; "Usage", "Tax" and "Credit" are called the same as in the CUR
    "Usage": ChargeGroup.USAGE,
    "Purchase": ChargeGroup.COMMITMENT,
    "Tax": ChargeGroup.TAX,
    "Credit": ChargeGroup.CREDIT,
    "Adjustment": ChargeGroup.FEE,
}
CHARGE_TYPES: dict[str, ChargeGroup] = {
    **CUR_LINE_ITEM_TYPES,
    **FOCUS_CHARGE_CATEGORIES,
    SUPPORT: ChargeGroup.SUPPORT,
    MARKETPLACE: ChargeGroup.MARKETPLACE,
    CORRECTION: ChargeGroup.REFUND,
    UNCLASSIFIED: ChargeGroup.UNCLASSIFIED,
}
"""Every value that a charge type can have."""
