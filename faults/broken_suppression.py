"""The promises of suppression, broken on purpose."""

from typing import Final

from mutation import ROUTER, Edit, Mutation

_SUPPRESSIONS = "tocsin/router/policy/suppressions.py"
_LESSONS = "tocsin/router/worker/address_lessons.py"

SUPPRESSION: Final = (
    Mutation(
        "suppression not looked at",
        ROUTER,
        (Edit("tocsin/router/policy/destinations.py", "    if suppressed:\n", "    if False:\n"),),
        ("tests/unit/router_worker/test_suppressions_decide.py",),
    ),
    Mutation(
        "a bounce raises nobody else who has the address",
        ROUTER,
        (
            Edit(
                "tocsin/router/worker/address_lessons.py",
                "                owners[tenant] |= await holders(db, tenant, kind, addresses)\n",
                "                assert addresses\n",
            ),
        ),
        ("tests/integration/router_worker/test_suppression_rows.py",),
    ),
    Mutation(
        "what is suppressed counts as missing",
        ROUTER,
        (
            Edit(
                "tocsin/router/policy/destinations.py",
                "                return Held(Rule.SUPPRESSION, worst.reason, seen)\n",
                "                return Held(Rule.ADDRESS, Reason.ADDRESS_MISSING)\n",
            ),
        ),
        ("tests/unit/router_worker/test_suppressions_decide.py",),
    ),
    Mutation(
        "a suppression holds after its time",
        ROUTER,
        (
            Edit(
                _SUPPRESSIONS,
                "        and (each.until is None or each.until > now)\n",
                "        and (each.until is None or now)\n",
            ),
        ),
        ("tests/unit/router_worker/test_suppressions_decide.py",),
    ),
    Mutation(
        "a category's suppression holds every message",
        ROUTER,
        (
            Edit(
                _SUPPRESSIONS,
                "        if each.category in {ANY, category.key}\n",
                "        if each.category or ANY\n",
            ),
        ),
        ("tests/unit/router_worker/test_suppressions_decide.py",),
    ),
    Mutation(
        "a suppression spares required messages",
        ROUTER,
        (Edit(_SUPPRESSIONS, "not (each.spares_required and category", "not (category"),),
        ("tests/unit/router_worker/test_suppressions_decide.py",),
    ),
    Mutation(
        "versions raised after the rows were committed",
        ROUTER,
        (
            Edit(
                _LESSONS,
                "            raised = await self._raise(db, told)\n",
                "            raised = dict[str, set[str]]()\n",
            ),
        ),
        ("tests/integration/router_worker/test_suppression_rows.py",),
    ),
    Mutation(
        "a complaint leaves the category on",
        ROUTER,
        (Edit(_LESSONS, "    Lesson.COMPLAINT: Source.COMPLAINT,\n", ""),),
        ("tests/integration/router_worker/test_suppression_rows.py",),
    ),
    Mutation(
        "what spares and what does not are one row",
        ROUTER,
        (
            Edit(
                "tocsin/router/suppressions.py",
                "self.category, self.cause, self.spares_required\n",
                "self.category, self.cause, False\n",
            ),
        ),
        ("tests/integration/router_api/test_suppressions_api.py",),
    ),
    Mutation(
        "soft bounces count by when they were heard of",
        ROUTER,
        (
            Edit(
                "tocsin/router/policy/lessons.py",
                "    return min(status.receipt.at, status.at)\n",
                "    return status.at\n",
            ),
        ),
        ("tests/integration/router_worker/test_suppression_rows.py",),
    ),
    Mutation(
        "a hostile status ends the learning",
        ROUTER,
        (
            Edit(
                "tocsin/router/policy/lessons.py",
                "    return None if well_formed else Unusable.MALFORMED\n",
                "    return None\n",
            ),
        ),
        ("tests/integration/router_worker/test_hostile_lessons.py",),
    ),
    Mutation(
        "a removal takes rows in an order of its own",
        ROUTER,
        (
            Edit(
                "tocsin/router/suppressions.py",
                "    ORDER BY {_KEY} FOR UPDATE\n",
                "    ORDER BY created_at FOR UPDATE\n",
            ),
        ),
        ("tests/integration/router_worker/test_suppression_locks.py",),
    ),
    Mutation(
        "who suppresses nothing reads what others have",
        ROUTER,
        (Edit("tocsin/router/worker/load.py", " ORDER BY s.address_hash LIMIT 1\n", " LIMIT 1\n"),),
        ("tests/integration/router_worker/test_suppression_plans.py",),
    ),
)
