"""How English readers see dates: one way on all pages. Other languages have theirs from Django."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"
MONTH_DAY_FORMAT = "j M"
