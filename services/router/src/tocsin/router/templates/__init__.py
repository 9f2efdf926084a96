"""Templates: Jinja syntax, checked when saved (Jinja2), rendered within bounds (minijinja).

`check_template` says everything wrong with a template before it is saved. `Renderer` turns published templates into the
content of a message; no template can hang it, flood it, or reach anything but its own variables.
"""

from tocsin.router.templates.check import TemplateFault, check_template
from tocsin.router.templates.language import ROOTS
from tocsin.router.templates.render import Renderer, RenderFault, preview

__all__ = ["ROOTS", "RenderFault", "Renderer", "TemplateFault", "check_template", "preview"]
