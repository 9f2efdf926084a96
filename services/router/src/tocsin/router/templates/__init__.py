"""Templates: Jinja syntax, checked when saved, rendered within bounds that are counts. For authors: `docs/templates.md`.

`check_template` says everything wrong with a template before it is saved. `Renderer` turns published templates into the
content of a message. Jinja2 parses, and nothing else of it runs. A template cannot hang a worker, cannot fill its memory, and
cannot reach anything but its own variables:

| what a template could try | what stops it | test in `tests/unit/router_worker` |
|---|---|---|
| syntax or arguments that the renderer reads differently from the check | both have the one tree that was parsed (`program`, `expressions`) | `test_what_the_check_accepts_fails_by_its_data_only` |
| macros, `include`, `extends`, recursive loops, calls of methods | not in the language (`bounds`) | `test_what_could_grow_without_bound_is_refused_when_saved_and_again_when_rendered`, `test_what_held_still_holds` |
| half a surrogate pair, which ends whoever encodes it | refused as a constant; a fault from anywhere else (`usage`, `budget`, `render`) | `test_what_utf8_cannot_hold_is_refused_when_saved`, `test_data_that_utf8_cannot_hold_is_a_fault_with_a_reason` |
| `'x' * 10**9`, padding, `format` to a width | `*` takes numbers only; no such filters (`bounds`, `language`) | the same |
| doubling a text with `~`, `+`, a list, `join`, `replace`, again and again | a combined variable is not combined again (`bounds`), and each is charged (`budget`) | the same |
| one long expression | 24 operations in each (`bounds`) | the same |
| nesting so deep that the parser fails | refused as a fault (`check`) | `test_deep_nesting_is_refused` |
| a check or compiler that takes the square of a template's length | each goes through it once; operations are counted first (`bounds`, `program`) | `test_the_check_takes_as_long_as_the_template_is`, `test_what_is_compiled_takes_as_long_as_the_template_is` |
| one long text ten thousand times in a list | measured no further than the budget reaches (`budget`) | `test_one_text_ten_thousand_times_is_not_measured_as_often` |
| escaping that makes a text five times as long | what it becomes is charged (`program`, `texts`) | `test_what_escaping_makes_of_a_text_is_charged_before_it_is_made_again` |
| loops in loops | a turn is charged with all that stands in it, before the first (`program`, `weights`) | `test_what_does_too_much_is_stopped_soon` |
| much text printed, in loops or into variables | 2 MiB for a notification (`budget`) | the same |
| a filter on its own output, again and again | what goes in and what comes out is charged (`filters`) | `test_a_filter_on_its_own_output_24_times_is_bounded` |
| `tojson(indent=10**9)`, and any other huge argument | ranges, when saved and when rendered (`signatures`, the filters) | `test_a_huge_argument_costs_nothing` |
| `join`, `replace`, `~`, `tojson`, `range` that make a huge value | 1 MiB each, 1,000 numbers (`text_filters`, `list_filters`) | `test_what_does_too_much_is_stopped_soon` |
| huge numbers | 127 bits, looked at before and after each operation, filter and test that computes (`operations`) | `test_numbers_stay_small`, `test_numbers_beyond_127_bits_are_not_computed_with` |
| `sort` or `unique` of a very long list | 5,000 items (`list_filters`) | `test_a_list_of_5000_may_be_sorted` |
| a huge message | 512 KiB a part; a channel's own limit for all parts (`render`) | `test_a_part_may_have_512_kib`, `test_a_push_message_has_64_kib` |
| HTML in a value | values in the part `html` are escaped, once (`program`, `texts`) | `test_html_is_escaped_in_html_only` |
| a new header line in a subject | line breaks become one space (`render`) | `test_subjects_and_titles_are_one_line` |
| a value in a fault, and so in a status or a log | faults name variables, never values (`faults`, `render`) | `test_a_fault_never_repeats_a_value`, `test_no_filter_repeats_a_value_in_its_fault` |

Why counts and no clock, and what was measured, stands in `docs/adr/0019-templates-count.md`.
"""

from tocsin.router.templates.budget import Budget
from tocsin.router.templates.check import TemplateFault, check_template
from tocsin.router.templates.render import Renderer, RenderFault, preview

__all__ = ["Budget", "RenderFault", "Renderer", "TemplateFault", "check_template", "preview"]
