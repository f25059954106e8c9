"""Views: what each audience sees of an explanation record, as a value and as a document."""

from xaisvc.views.audience import Audience
from xaisvc.views.build import build_view, needed, view_status
from xaisvc.views.cohort_build import build_cohort_view, check_has_cohorts
from xaisvc.views.document import View, ViewStatus
from xaisvc.views.loader import load_audiences
from xaisvc.views.render import EXPORTS, FORMATS, media_type, render_view, to_pdf

__all__ = [
    "EXPORTS",
    "FORMATS",
    "Audience",
    "View",
    "ViewStatus",
    "build_cohort_view",
    "build_view",
    "check_has_cohorts",
    "load_audiences",
    "media_type",
    "needed",
    "render_view",
    "to_pdf",
    "view_status",
]
