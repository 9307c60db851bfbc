"""Exports of Dialogflow ES and CX, CLU and LUIS as rows; and files that are none, or hostile."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.channels.imports import Agent, ImportProblem, Names, archive, read_agent
from desk.channels.imports.__main__ import main
from desk.channels.imports.phrases import rows

ES: dict[str, Any] = {
    "agent.json": {"language": "en"},
    "package.json": {"version": "1.0.0"},
    "intents/Order status.json": {"name": "Order status", "fallbackIntent": False},
    "intents/Order status_usersays_en.json": [
        {
            "data": [
                {"text": "where is ", "userDefined": False},
                {"text": "48213 ", "alias": "number", "meta": "@order", "userDefined": True},
                {"text": "from "},
                {"text": "tuesday", "alias": "date", "meta": "@sys.date"},
            ],
            "isTemplate": False,
            "count": 0,
        },
        {
            "data": [
                {"text": "where is it 👍🏽 "},
                {"text": "now", "alias": "x", "meta": "@sys.ignore"},
            ]
        },
        {"data": [{"text": "@order:number wo"}], "isTemplate": True},
        {"data": [{"text": "  "}]},
    ],
    "intents/Order status_usersays_de.json": [{"data": [{"text": "wo ist es"}]}],
    "intents/Default Fallback Intent.json": {
        "name": "Default Fallback Intent", "fallbackIntent": True,
    },
    "intents/Default Fallback Intent_usersays_en.json": [{"data": [{"text": "sing a song"}]}],
    "entities/order.json": {"name": "order"},
    "entities/order_entries_en.json": [{"value": "first", "synonyms": ["first", "1st"]}],
}  # fmt: skip
CX: dict[str, Any] = {
    "agent.json": {"displayName": "Shop", "defaultLanguageCode": "en"},
    "intents/Send back/Send back.json": {"displayName": "Send back", "numTrainingPhrases": 2},
    "intents/Send back/trainingPhrases/en.json": {
        "trainingPhrases": [
            {
                "id": "1",
                "parts": [
                    {"text": "return my ", "auto": True},
                    {"text": "blue mug", "parameterId": "product"},
                ],
                "repeatCount": 1,
                "languageCode": "en",
            },
            {"id": "2", "parts": [{"text": "return my blue mug"}], "repeatCount": 1},
            {"id": "3", "parts": [{"text": "send it back", "auto": True}], "repeatCount": 2},
        ]
    },
    "intents/Default Negative Intent/Default Negative Intent.json": {"isFallback": True},
    "intents/Default Negative Intent/trainingPhrases/en.json": {
        "trainingPhrases": [{"parts": [{"text": "who are you"}]}]
    },
    "entityTypes/color/entities/en.json": {
        "entities": [{"value": "blue", "synonyms": ["blue", "navy"]}]
    },
    "flows/Default Start Flow/Default Start Flow.json": {"displayName": "Default Start Flow"},
}
CLU = {
    "projectFileVersion": "2023-04-01",
    "stringIndexType": "Utf16CodeUnit",
    "assets": {
        "projectKind": "Conversation",
        "entities": [
            {
                "category": "color",
                "list": {
                    "sublists": [
                        {"listKey": "blue", "synonyms": [{"language": "en", "values": ["navy"]}]}
                    ]
                },
            }
        ],
        "utterances": [
            {
                "text": "😡 where is 48213",
                "intent": "Status",
                "language": "en-us",
                "entities": [{"category": "number", "offset": 12, "length": 5}],
            },
            {"text": "wo ist es", "intent": "Status", "language": "de"},
            {"text": "sing", "intent": "None", "language": "en-us"},
        ],
    },
}
LUIS = {
    "luis_schema_version": "7.0.0",
    "closedLists": [{"name": "color", "subLists": [{"canonicalForm": "blue", "list": ["navy"]}]}],
    "utterances": [
        {
            "text": "where is 48213",
            "intent": "Status",
            "entities": [{"entity": "number", "startPos": 9, "endPos": 13}],
        }
    ],
}


def packed(path: Path, files: dict[str, Any], root: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(root + name, content if isinstance(content, str) else json.dumps(content))
    return path


def marked(agent: Agent) -> list[tuple[str, list[str], str]]:
    return [
        (row["label"], [f"{s['label']}={row['text'][s['start'] : s['end']]}" for s in row["spans"]],
         row["text"])
        for row in rows(agent)
    ]  # fmt: skip


@pytest.mark.parametrize("root", ["", "exported agent/"])
def test_es(tmp_path: Path, root: str) -> None:
    agent = read_agent(packed(tmp_path / "agent.zip", ES, root))
    assert sorted(marked(agent)) == [
        ("Order status", [], "where is it 👍🏽 now"),
        ("Order status", ["number=48213", "date=tuesday"], "where is 48213 from tuesday"),
        ("oos", [], "sing a song"),
    ]
    assert agent.entities == {"order": [("first", ("first", "1st"))]}
    assert agent.skipped == {"template, not a phrase": 1, "empty": 1, "files in de": 1}
    german = read_agent(tmp_path / "agent.zip", "de")
    assert [phrase.text for phrase in german.phrases] == ["wo ist es"]


def test_cx(tmp_path: Path) -> None:
    agent = read_agent(packed(tmp_path / "agent.zip", CX))
    assert sorted(marked(agent)) == [
        ("Send back", [], "send it back"),
        ("Send back", ["product=blue mug"], "return my blue mug"),  # once, as it came first
        ("oos", [], "who are you"),
    ]
    assert agent.entities == {"color": [("blue", ("blue", "navy"))]}


def test_clu_and_luis_count_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "project.json"
    path.write_text(json.dumps(CLU), "utf-8")
    agent = read_agent(path)
    assert marked(agent) == [
        ("Status", ["number=48213"], "😡 where is 48213"),
        ("oos", [], "sing"),
    ]
    assert agent.skipped == {"in de": 1} and agent.entities == {"color": [("blue", ("navy",))]}
    path.write_text(json.dumps(LUIS), "utf-8")
    agent = read_agent(path)
    assert marked(agent) == [("Status", ["number=48213"], "where is 48213")]
    assert agent.entities == {"color": [("blue", ("navy",))]}


def test_an_entity_within_a_sign_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "project.json"
    for offset, length in ((1, 2), (12, 50)):
        said = {"text": "😡 a", "intent": "x",
                "entities": [{"category": "n", "offset": offset, "length": length}]}  # fmt: skip
        path.write_text(json.dumps({"assets": {"utterances": [said]}}))
        with pytest.raises(ImportProblem, match="utterance 1: an entity begins or ends"):
            read_agent(path)


def test_names_become_the_desks_own(tmp_path: Path) -> None:
    names = tmp_path / "map.toml"
    names.write_text(
        '[intents]\n"Order status" = "order_status"\n"Default Fallback Intent" = ""\n'
        '[slots]\nnumber = "order_number"\ndate = ""\n'
    )
    agent = read_agent(packed(tmp_path / "agent.zip", ES))
    found = list(rows(agent, Names.read(names)))
    assert {row["label"] for row in found} == {"order_status"}
    assert [s["label"] for row in found for s in row["spans"]] == ["order_number"]
    names.write_text("[intent]\n")
    with pytest.raises(ImportProblem, match=r"\[intents\] and \[slots\] are expected"):
        Names.read(names)


def test_the_command_writes_rows_and_nothing_over(tmp_path: Path, capsys) -> None:
    export, out = packed(tmp_path / "my agent.zip", ES), tmp_path / "rows.jsonl"
    entities = tmp_path / "entities.json"
    command = [str(export), "-o", str(out), "--entities", str(entities)]
    assert main(command) == 0
    found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(found) == 3 and found[0].keys() == {"text", "label", "spans"}
    assert json.loads(entities.read_text())["order"][0]["value"] == "first"
    assert "Dialogflow ES: 3 rows of 2 intents" in capsys.readouterr().err
    assert main(command) == 1
    assert "give --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


def broken(files: dict[str, Any], name: str, content: Any) -> dict[str, Any]:
    return {**files, name: content}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": "hello"}, "no training phrases"),
        (broken(ES, "intents/Order status_usersays_en.json", "{"), "JSON is expected"),
        (broken(ES, "intents/Order status_usersays_en.json", {}), "a list of objects"),
        (broken(ES, "intents/Order status_usersays_en.json", [{"data": "x"}]), "phrase 1"),
        (
            broken(ES, "intents/Order status_usersays_en.json", [{"data": [{"text": 5}]}]),
            "phrase 1",
        ),
        (broken(ES, "intents/Order status_usersays_en.json", "[" * 99_999), "JSON is expected"),
        (broken(CX, "intents/Send back/trainingPhrases/en.json", []), "trainingPhrases"),
        (broken(CX, "intents/Send back/Send back.json", "[]"), "a JSON object is expected"),
    ],
)
def test_what_is_no_export_is_refused_by_name(
    tmp_path: Path, files: dict[str, Any], said: str
) -> None:
    path = packed(tmp_path / "agent.zip", files)
    with pytest.raises(ImportProblem) as refused:
        read_agent(path)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.blob"
    said = b'{"assets": {"utterances": [{"text": "a", "intent": "i", "entities": [5]}]}}'
    listed = b'{"luis_schema_version": "7", "utterances": [], "closedLists": ["a"]}'
    for content in (
        b"\x00\x01protobuf", b"{}", b"[]", b'{"assets": {}}', b"\xff", said, listed,
        b'{"assets": {"utterances": [], "entities": 5}}',
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(ImportProblem, match=r"agent\.blob: "):
            read_agent(path)
    with pytest.raises(ImportProblem, match="no such file"):
        read_agent(tmp_path / "absent.zip")
    with pytest.raises(ImportProblem, match="no phrases in 'fr'"):
        read_agent(packed(tmp_path / "agent.zip", ES), "fr")


def test_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed(tmp_path / "bomb.zip", {**ES, "zeros.json": "0" * (40 << 20)})
    assert bomb.stat().st_size < 1 << 20
    monkeypatch.setattr(archive, "MOST_TOTAL", 30 << 20)
    with pytest.raises(ImportProblem, match="bytes unpacked; at most"):
        read_agent(bomb)
    large = {**ES, "intents/Order status_usersays_en.json": json.dumps(["0" * (1 << 20)])}
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    with pytest.raises(ImportProblem, match="larger than"):
        read_agent(packed(tmp_path / "large.zip", large))


@given(st.lists(st.tuples(st.text(max_size=6), st.sampled_from([None, "a", "b"])), max_size=6))
def test_marks_stay_on_what_they_marked(parts: list[tuple[str, str | None]]) -> None:
    agent = Agent("test")
    agent.add(parts, "intent", False)
    if not "".join(text for text, _ in parts).strip():
        assert agent.phrases == [] and agent.skipped == {"empty": 1}
        return
    (phrase,) = agent.phrases
    assert phrase.text == "".join(text for text, _ in parts).strip()
    wanted = [(text.strip(), name) for text, name in parts if name and text.strip()]
    assert [(phrase.text[start:end], name) for start, end, name in phrase.spans] == wanted
