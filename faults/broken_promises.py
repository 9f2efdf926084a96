"""Every promise that is broken on purpose, and the tests that must notice: what `mutations.py` goes through."""

from typing import Final

from broken_suppression import SUPPRESSION
from mutation import COMMON, ROUTER, Edit, Mutation

_DELIVERY, _OFFSETS = "tocsin/channel/shard_delivery.py", "tocsin/channel/shard_offsets.py"
_RECORDING = "tocsin/channel/shard_recording.py"
_ATTEMPTS, _OWNERSHIP = "tocsin/channel/attempts.py", "tocsin/kafka/consume/ownership.py"
_SHARD_TESTS = ("tests/unit/channel", "tests/integration/channel")

MUTATIONS: Final = (
    Mutation(
        "who leaves joins again",
        COMMON,
        (
            Edit(
                "tocsin/kafka/consume/consumer_group.py",
                "        await self._release()\n        if self._leaving:\n",
                "        await self._release()\n        if False:\n",
            ),
        ),
        ("tests/unit/kafka/test_consumer_group_ending.py",),
    ),
    Mutation(
        "a commit repeated in the next generation",
        COMMON,
        (
            Edit(
                "tocsin/kafka/client/group_standing.py",
                "            if generation < 0 or generation != self.generation:\n",
                "            if generation < 0:\n",
            ),
        ),
        ("tests/unit/kafka/test_group_standing.py",),
    ),
    Mutation(
        "commit before outcome",
        COMMON,
        (
            Edit(
                _RECORDING,
                "        self._outcomes.add(PendingRecord(outcome, partial(self._outcome_stored, delivery, end, ended_at)))",
                "        self._offsets.finish(delivery.record)\n        self._outcomes.add(PendingRecord(outcome, lambda _: self._recorded()))",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "no read-back",
        COMMON,
        (
            Edit(
                _OFFSETS,
                "        if not replayed:\n            return",
                "        if replayed or not replayed:\n            return",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "newest status offset stored",
        COMMON,
        (
            Edit(
                "tocsin/channel/offset_tracker.py",
                "                return CommitPoint(offset, taken.outcome_position)",
                "                return CommitPoint(offset, self._outcome_end)",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "transactional id unique per process",
        COMMON,
        (
            Edit(
                _OWNERSHIP,
                'transactional_id=f"{group}.{number}"',
                'transactional_id=f"{group}.{number}.{id(self)}"',
            ),
        ),
        ("tests/integration/kafka/test_ownership.py",),
    ),
    Mutation(
        "position fetched before fencing",
        COMMON,
        (
            Edit(
                _OWNERSHIP,
                "        await self._fence(assignment, partitions)\n        positions = await _committed(assignment, assignment.partitions)\n        return [",
                "        positions = await _committed(assignment, assignment.partitions)\n        await self._fence(assignment, partitions)\n        return [",
            ),
        ),
        ("tests/unit/kafka", "tests/integration/kafka/test_ownership.py"),
    ),
    Mutation(
        "delivery futures not awaited",
        COMMON,
        (
            Edit(
                "tocsin/kafka/produce/explicit_transactions.py",
                "        await asyncio.gather(*deliveries)",
                "        del deliveries",
            ),
        ),
        ("tests/integration/kafka/test_transactional_producer.py",),
    ),
    Mutation(
        "a refused batch committed",
        COMMON,
        (
            Edit(
                "tocsin/kafka/produce/implicit_transactions.py",
                "                    refused.append(_error(code))",
                "                    del waiting[partition]",
            ),
        ),
        (
            "tests/unit/kafka/test_implicit_transactions.py",
            "tests/integration/kafka/test_transaction_failures.py",
        ),
    ),
    Mutation(
        "an epoch outlives its transaction",
        COMMON,
        (
            Edit(
                "tocsin/kafka/produce/implicit_transactions.py",
                "            self._writer = writer",
                "            del writer",
            ),
        ),
        ("tests/integration/kafka/test_transactional_producer.py",),
    ),
    Mutation(
        "claim without position",
        ROUTER,
        (
            Edit(
                "tocsin/router/worker/dedupe.py",
                "        if owner.record != claim.record:",
                "        if owner.data_hash != claim.data_hash:",
            ),
        ),
        ("tests/unit/router_worker", "tests/integration/router_worker"),
    ),
    Mutation(
        "no pause before the fence",
        COMMON,
        (
            Edit(
                "tocsin/kafka/consume/member.py",
                "        self._consumer.pause(*assigned)  # first of all",
                "        # first of all",
            ),
        ),
        (
            "tests/integration/kafka/test_ownership.py",
            "tests/integration/kafka/test_rebalance.py",
            "tests/integration/kafka/test_cluster_on_kafka.py",
        ),
    ),
    Mutation(
        "outcome matched by delivery, whatever the record",
        COMMON,
        (
            Edit(
                _OFFSETS,
                "        if self._ended.get(record.partition, {}).get(record.offset) != delivery_id:",
                "        if delivery_id not in self._ended.get(record.partition, {}).values():",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "lease not checked",
        COMMON,
        (Edit(_ATTEMPTS, "        if not lease_ok():", "        if not lease_ok:"),),
        _SHARD_TESTS,
    ),
    Mutation(
        "revoke not heard by what waits",
        COMMON,
        (
            Edit(
                _DELIVERY,
                "            reading.cancel()\n            self._drop_what_waits()\n",
                "            reading.cancel()\n",
            ),
            Edit(
                _DELIVERY,
                "        return self._over or self._shard.revoked.is_set()",
                "        return self._over",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "expiry not checked before the call",
        COMMON,
        (
            Edit(
                _ATTEMPTS,
                "        if job.expires_at <= self._clock.now():",
                "        if job.expires_at is None:",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "age of a copy not asked",
        COMMON,
        (
            Edit(
                _ATTEMPTS,
                "        return None if self._copy.fresh or delivery.job.may_be_late_to_stop else AwaitCopy()",
                "        return None",
            ),
            Edit(
                _DELIVERY,
                "if not (delivery.job.may_be_late_to_stop or self._waiting.may_pass):",
                "if not self:",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "breaker always closed",
        COMMON,
        (
            Edit(
                "tocsin/channel/breaker.py",
                "        self.probe_at = now + max(self._pause, asked_for)\n        self._become(BreakerState.OPEN, now)",
                "        self.probe_at = now + max(self._pause, asked_for)",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "uncertain failed over",
        COMMON,
        (
            Edit(
                "tocsin/channel/choice.py",
                "    only = None if job.resend_elsewhere else uncertain_provider(tries)",
                "    only = None",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "cancellation not looked at before the call",
        COMMON,
        (
            Edit(
                _ATTEMPTS,
                "        elif (cancelled_at := self._cancellations.of(job.intent)) is not None:",
                "        elif (cancelled_at := self._cancellations.of(job.intent)) is not None and not job:",
            ),
        ),
        _SHARD_TESTS,
    ),
    Mutation(
        "cancelled job taken up again",
        COMMON,
        (Edit("tocsin/channel/outcome_log.py", "        StatusName.CANCELLED,\n", ""),),
        ("tests/unit/channel",),
    ),
    Mutation(
        "key reaches what came later",
        COMMON,
        (
            Edit(
                "tocsin/contracts/cancellations.py",
                "        names.append((_key(intent.tenant, intent.cancel_key), _NONE))",
                "        names.append((_key(intent.tenant, intent.cancel_key), timedelta(days=1)))",
            ),
        ),
        ("tests/unit/contracts/test_cancellations.py", "tests/unit/router_worker/test_cancellations.py"),
    ),
    Mutation(
        "cancellation published and not kept",
        ROUTER,
        (
            Edit(
                "tocsin/router/worker/pipeline.py",
                "            await self._cancellation_rows.store(asked)",
                "            del asked",
            ),
        ),
        ("tests/unit/router_worker/test_cancellations.py",),
    ),
    Mutation(
        "rows of cancellations not asked",
        ROUTER,
        (
            Edit(
                "tocsin/router/worker/cancellations.py",
                "    return await rows.requested(sorted(asked)) if asked else {}",
                "    return {}",
            ),
        ),
        ("tests/unit/router_worker/test_cancellations.py",),
    ),
    Mutation(
        "timer after status",
        COMMON,
        (
            Edit(
                _RECORDING,
                "        committed = self._shard.submit(records, positions)\n",
                "        committed = self._shard.submit(records[1:], positions)\n        self._outcomes.add(PendingRecord(records[0], lambda _: None))\n",
            ),
        ),
        (
            "tests/unit/channel/test_deferred_deliveries.py",
            "tests/integration/channel/test_shard_delivery.py",
        ),
    ),
    Mutation(
        "attempt forgotten when decided again",
        ROUTER,
        (Edit("tocsin/router/worker/write.py", "        retry=intent.retry,\n", ""),),
        ("tests/unit/router_worker/test_sending_later.py",),
    ),
    *SUPPRESSION,
)
