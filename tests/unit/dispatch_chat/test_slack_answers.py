"""What each of Slack's words means: the whole tables, once more and by hand."""

import json

import pytest

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_chat import slack_errors, slack_webhook_answers

R, N = Rejected, NotSent
POST_MESSAGE: dict[str, tuple[type[Answer], Reason | None]] = {
    "channel_not_found": (R, Reason.ADDRESS_INVALID),
    "user_not_found": (R, Reason.ADDRESS_INVALID),
    "cannot_dm_bot": (R, Reason.ADDRESS_INVALID),
    "not_in_channel": (R, Reason.RECIPIENT_REFUSED),
    "is_archived": (R, Reason.RECIPIENT_REFUSED),
    "restricted_action": (R, Reason.RECIPIENT_REFUSED),
    "restricted_action_read_only_channel": (R, Reason.RECIPIENT_REFUSED),
    "restricted_action_thread_only_channel": (R, Reason.RECIPIENT_REFUSED),
    "restricted_action_non_threadable_channel": (R, Reason.RECIPIENT_REFUSED),
    "restricted_action_thread_locked": (R, Reason.RECIPIENT_REFUSED),
    "messages_tab_disabled": (R, Reason.RECIPIENT_REFUSED),
    "slack_connect_file_link_sharing_blocked": (R, Reason.RECIPIENT_REFUSED),
    "slack_connect_canvas_sharing_blocked": (R, Reason.RECIPIENT_REFUSED),
    "slack_connect_lists_sharing_blocked": (R, Reason.RECIPIENT_REFUSED),
    "msg_too_long": (R, Reason.TOO_LARGE),
    "msg_blocks_too_long": (R, Reason.TOO_LARGE),
    "metadata_too_large": (R, Reason.TOO_LARGE),
    "no_text": (R, Reason.CONTENT_REFUSED),
    "invalid_blocks": (R, Reason.CONTENT_REFUSED),
    "invalid_blocks_format": (R, Reason.CONTENT_REFUSED),
    "too_many_attachments": (R, Reason.CONTENT_REFUSED),
    "too_many_contact_cards": (R, Reason.CONTENT_REFUSED),
    "markdown_text_conflict": (R, Reason.CONTENT_REFUSED),
    "cannot_reply_to_message": (R, Reason.CONTENT_REFUSED),
    "duplicate_channel_not_found": (R, Reason.CONTENT_REFUSED),
    "duplicate_message_not_found": (R, Reason.CONTENT_REFUSED),
    "invalid_metadata_format": (R, Reason.CONTENT_REFUSED),
    "invalid_metadata_schema": (R, Reason.CONTENT_REFUSED),
    "metadata_must_be_sent_from_app": (R, Reason.CONTENT_REFUSED),
    "as_user_not_supported": (R, Reason.PROVIDER_ERROR),
    "invalid_arguments": (R, Reason.PROVIDER_ERROR),
    "invalid_arg_name": (R, Reason.PROVIDER_ERROR),
    "invalid_array_arg": (R, Reason.PROVIDER_ERROR),
    "invalid_charset": (R, Reason.PROVIDER_ERROR),
    "invalid_form_data": (R, Reason.PROVIDER_ERROR),
    "invalid_post_type": (R, Reason.PROVIDER_ERROR),
    "missing_post_type": (R, Reason.PROVIDER_ERROR),
    "deprecated_endpoint": (R, Reason.PROVIDER_ERROR),
    "method_deprecated": (R, Reason.PROVIDER_ERROR),
    "not_authed": (N, Reason.CREDENTIALS_REFUSED),
    "invalid_auth": (N, Reason.CREDENTIALS_REFUSED),
    "account_inactive": (N, Reason.CREDENTIALS_REFUSED),
    "token_expired": (N, Reason.CREDENTIALS_REFUSED),
    "token_revoked": (N, Reason.CREDENTIALS_REFUSED),
    "no_permission": (N, Reason.CREDENTIALS_REFUSED),
    "missing_scope": (N, Reason.CREDENTIALS_REFUSED),
    "not_allowed_token_type": (N, Reason.CREDENTIALS_REFUSED),
    "org_login_required": (N, Reason.CREDENTIALS_REFUSED),
    "two_factor_setup_required": (N, Reason.CREDENTIALS_REFUSED),
    "access_denied": (N, Reason.CREDENTIALS_REFUSED),
    "accesslimited": (N, Reason.CREDENTIALS_REFUSED),
    "ekm_access_denied": (N, Reason.CREDENTIALS_REFUSED),
    "enterprise_is_restricted": (N, Reason.CREDENTIALS_REFUSED),
    "team_access_not_granted": (N, Reason.CREDENTIALS_REFUSED),
    "team_not_found": (N, Reason.CREDENTIALS_REFUSED),
    "ratelimited": (Throttled, None),
    "rate_limited": (Throttled, None),
    "message_limit_exceeded": (Throttled, None),
    "request_timeout": (N, Reason.PROVIDER_ERROR),
    "team_added_to_org": (N, Reason.PROVIDER_ERROR),
    "fatal_error": (Ambiguous, Reason.PROVIDER_ERROR),
    "internal_error": (Ambiguous, Reason.PROVIDER_ERROR),
    "service_unavailable": (Ambiguous, Reason.PROVIDER_ERROR),
    "a_word_of_tomorrow": (N, Reason.PROVIDER_ERROR),
}
HOOKS: dict[str, tuple[int, Reason]] = {
    "invalid_payload": (400, Reason.CONTENT_REFUSED),
    "no_text": (400, Reason.CONTENT_REFUSED),
    "too_many_attachments": (400, Reason.CONTENT_REFUSED),
    "invalid_blocks": (400, Reason.CONTENT_REFUSED),
    "invalid_blocks_format": (400, Reason.CONTENT_REFUSED),
    "msg_too_long": (400, Reason.TOO_LARGE),
    "msg_blocks_too_long": (400, Reason.TOO_LARGE),
    "user_not_found": (400, Reason.ADDRESS_INVALID),
    "invalid_token": (403, Reason.ADDRESS_INVALID),
    "action_prohibited": (403, Reason.RECIPIENT_REFUSED),
    "posting_to_general_channel_denied": (403, Reason.RECIPIENT_REFUSED),
    "team_disabled": (403, Reason.RECIPIENT_REFUSED),
    "channel_is_archived": (410, Reason.RECIPIENT_REFUSED),
    "channel_not_found": (404, Reason.ADDRESS_GONE),
    "no_active_hooks": (404, Reason.ADDRESS_GONE),
    "no_service": (404, Reason.ADDRESS_GONE),
    "no_service_id": (404, Reason.ADDRESS_GONE),
    "no_team": (404, Reason.ADDRESS_GONE),
}


def reason_of(answer: Answer) -> Reason | None:
    return getattr(answer, "reason", None)


def bot(status: int, body: bytes) -> Answer:
    return slack_errors.answer_of(status, body, retry_after=3.0)


def hook(status: int, body: bytes) -> Answer:
    return slack_webhook_answers.answer_of(status, body, message_id="d", retry_after=3.0)


@pytest.mark.parametrize("word", POST_MESSAGE)
def test_a_word_of_the_web_api(word: str) -> None:
    kind, reason = POST_MESSAGE[word]
    answer = bot(200, json.dumps({"ok": False, "error": word}).encode())
    assert (type(answer), reason_of(answer), answer.code) == (kind, reason, word)


def test_every_word_of_the_web_api_is_in_the_table() -> None:
    known = slack_errors.REJECTED.keys() | slack_errors.OUR_SETUP | slack_errors.PATIENCE
    known |= slack_errors.PASSING | slack_errors.UNCERTAIN
    assert known == POST_MESSAGE.keys() - {"a_word_of_tomorrow"}


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"ok": true, "ts": "1.2"}', Accepted(message_id="1.2")),
        (200, b'{"ok": true, "ts": "a b"}', Accepted()),
        (
            429,
            b"marked-body",
            Throttled(code="ratelimited", detail="Slack asks for patience.", retry_after=3.0),
        ),
    ],
)
def test_what_the_web_api_answers_besides(status: int, body: bytes, answer: Answer) -> None:
    assert bot(status, body) == answer


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, b"<html>marked-body", Ambiguous, "HTTP 200"),
        (302, b"", NotSent, "HTTP 302"),
        (404, b"<html>", NotSent, "HTTP 404"),
        (503, b"", Ambiguous, "HTTP 503"),
        (500, b'{"ok": false, "error": "tomorrow"}', Ambiguous, "tomorrow"),
        (200, b'{"ok": false, "error": "C0MARKED https://x"}', NotSent, "HTTP 200"),
        (200, b'{"ok": false}', NotSent, "HTTP 200"),
    ],
)
def test_what_is_no_answer_of_slacks(status: int, body: bytes, kind: type[Answer], code: str) -> None:
    answer = bot(status, body)
    assert (type(answer), answer.code) == (kind, code)


@pytest.mark.parametrize("word", HOOKS)
def test_a_word_of_a_webhook(word: str) -> None:
    status, reason = HOOKS[word]
    answer = hook(status, word.encode())
    assert (type(answer), reason_of(answer), answer.code) == (Rejected, reason, word)
    assert HOOKS.keys() == slack_webhook_answers.REJECTED.keys()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, b"ok", Accepted, None),
        (200, b"<html>marked-body", Ambiguous, "HTTP 200"),
        (429, b"rate_limited", Throttled, "HTTP 429"),
        (500, b"rollup_error", Ambiguous, "rollup_error"),
        (500, b"no_service", Ambiguous, "HTTP 500"),
        (302, b"", NotSent, "HTTP 302"),
        (403, b"https://hooks.slack.com/services/T/B/marked", NotSent, "HTTP 403"),
    ],
)
def test_what_a_webhook_answers_besides(
    status: int, body: bytes, kind: type[Answer], code: str | None
) -> None:
    answer = hook(status, body)
    assert (type(answer), answer.code) == (kind, code)
