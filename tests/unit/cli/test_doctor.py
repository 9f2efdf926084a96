"""What the doctor says of a process that is silent, and of one that answers something else."""

import httpx
import pytest

from tocsin.cli.doctor import _process

URL = "http://10.0.0.7:9000"


async def told(answer: httpx.Response | Exception) -> str:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        (finding,) = await _process(client, "router", URL)
    return finding.what


async def test_a_process_that_is_silent_does_not_answer() -> None:
    assert (await told(httpx.ConnectError("refused"))).startswith(f"router does not answer at {URL}: ")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["a"]),
        httpx.Response(200, json={"checks": [{"name": "kafka"}]}),
        httpx.Response(200, json={"checks": None}),
        httpx.Response(404, json={}),
    ],
)
async def test_one_that_answers_something_else_is_not_called_silent(answer: httpx.Response) -> None:
    assert (await told(answer)).startswith(f"router answers at {URL} what the doctor does not understand: ")
