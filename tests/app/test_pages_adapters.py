"""Pages of adapters, and the look that a person chose."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from app.pages._usage import usage_sentences
from studio.adapters import Adapter
from studio.methods import IA3, DoRA, Full, LoRA, MethodBase, PromptTuning, QLoRA


def test_an_adapter_shows_facts_files_and_how_to_load_it(
    client: TestClient, make_adapter: Callable[[bytes], Adapter]
) -> None:
    adapter = make_adapter(b"zip")

    page = client.get(f"/adapters/{adapter.id}").text

    assert "PeftModel.from_pretrained" in page
    assert "adapter_config.json" in page
    assert f'href="/adapters/{adapter.id}/archive"' in page
    assert adapter.sha256 in page


def test_the_list_shows_it_and_an_empty_one_says_what_to_do(
    client: TestClient, make_adapter: Callable[[bytes], Adapter]
) -> None:
    empty = client.get("/adapters").text
    adapter = make_adapter(b"zip")

    assert "No adapter yet" in empty
    assert f'href="/adapters/{adapter.id}"' in client.get("/adapters").text


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (LoRA(rank=16), "within its default"),
        (LoRA(rank=24), "--max-lora-rank 32"),
        (QLoRA(), "load the base in 16 bits"),
        (DoRA(), "vLLM cannot serve DoRA"),
        (IA3(), "vLLM serves LoRA only"),
        (PromptTuning(), "cannot be merged"),
    ],
)
def test_usage_says_what_holds_for_the_method(method: MethodBase, said: str) -> None:
    adapter = Adapter(kind="adapter", base_model="demo")

    assert any(said in sentence for sentence in usage_sentences(adapter, method))


def test_a_whole_model_is_served_by_anything() -> None:
    assert "whole model" in usage_sentences(Adapter(kind="model", base_model="demo"), Full())[0]


def test_the_look_is_kept_in_a_cookie_and_leads_back(client: TestClient) -> None:
    answer = client.post(
        "/theme",
        data={"theme": "dark"},
        headers={"Referer": "https://elsewhere.example//evil.example/runs?status=failed"},
        follow_redirects=False,
    )

    assert answer.headers["location"] == "/evil.example/runs?status=failed"
    assert 'data-theme="dark"' in client.get("/runs").text


def test_an_unknown_look_is_refused(client: TestClient) -> None:
    assert client.post("/theme", data={"theme": "loud"}).status_code == 422
