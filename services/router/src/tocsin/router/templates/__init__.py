"""Templates: Jinja syntax, checked when saved (Jinja2), rendered within bounds (minijinja). For authors: `docs/templates.md`.

`check_template` says everything wrong with a template before it is saved. `Renderer` turns published templates into the
content of a message. A template cannot hang it, cannot fill its memory, and cannot reach anything but its own variables:

| what a template could try | what stops it | test in `tests/unit/router_worker` |
|---|---|---|
| syntax, arguments or names that the two engines read differently | the engine gets the checked tree, written anew (`compiling`) | `test_what_the_check_accepts_fails_by_its_data_only` |
| macros, `include`, `extends`, recursive loops, calls of methods | not in the language (`bounds`) | `test_what_could_grow_without_bound_is_refused_when_saved_and_again_when_rendered` |
| `'x' * 10**9`, padding, `format` to a width | `*` takes numbers only; no such filters (`bounds`, `language`) | the same |
| doubling a text with `~`, `+`, a list, `join`, `replace`, again and again | a combined variable is not combined again (`bounds`) | the same |
| one long expression | 24 operations in each (`bounds`) | the same |
| nesting so deep that the parser fails | refused as a fault (`check`) | `test_deep_nesting_is_refused` |
| loops in loops | 50,000 instructions a part (`render`), 8 ms of CPU for a notification (`metering`) | `test_what_does_too_much_is_stopped_soon` |
| much text printed in loops or into variables | 2 MiB printed a part (`metering`) | the same |
| `join`, `replace`, `~`, `tojson`, `range` that make a huge value | 1 MiB each, 1,000 numbers (`text_filters`, `list_filters`) | the same |
| `sort` or `unique` of a very long list, which no clock can interrupt | 5,000 items (`list_filters`) | the same, `test_a_list_of_5000_may_be_sorted` |
| a huge message | 512 KiB a part; a channel's own limit for all parts (`render`) | `test_a_part_may_have_512_kib`, `test_a_push_message_has_64_kib` |
| HTML in a value | values in the part `html` are escaped, once (`metering`, `texts`) | `test_html_is_escaped_in_html_only` |
| a new header line in a subject | line breaks become one space (`render`) | `test_subjects_and_titles_are_one_line` |
| a value in a fault, and so in a status or a log | faults name variables, never values (`render`) | `test_a_fault_never_repeats_a_value` |

Why three kinds of bounds are needed, and what was measured, stands in `docs/adr/0005-templates-are-metered.md`.
"""

from tocsin.router.templates.check import TemplateFault, check_template
from tocsin.router.templates.metering import CPU_SECONDS
from tocsin.router.templates.render import Renderer, RenderFault, preview

__all__ = ["CPU_SECONDS", "RenderFault", "Renderer", "TemplateFault", "check_template", "preview"]
