"""The quick parser: right words become keywords, wrong words become `Usage`."""

from __future__ import annotations

import pytest

from virtory.cli.parse import Settings, Usage, global_words, keywords
from virtory.cli.verbs import INDEX, load


def parsed(words: str) -> dict[str, object]:
    name, *rest = words.split()
    verb = load(name)
    assert verb is not None
    return keywords(verb, rest, Settings())[0]


def test_options_before_the_verb_choose_the_daemon() -> None:
    settings, rest = global_words(["-c", "qemu:///system", "-r", "--json", "list", "--all"])
    assert settings == Settings("qemu:///system", readonly=True, json=True)
    assert rest == ["list", "--all"]


def test_a_connect_option_without_a_uri_is_refused() -> None:
    with pytest.raises(Usage, match="needs a URI"):
        global_words(["-c"])


def test_a_flag_is_true_only_when_given() -> None:
    given = parsed("list --all")
    assert given["all_"] is True
    assert given["inactive"] is False


def test_a_positional_argument_may_be_given_by_its_name() -> None:
    assert parsed("start --domain web --paused")["domain"] == "web"
    assert parsed("start web --paused")["domain"] == "web"
    assert parsed("start --domain=web")["domain"] == "web"


def test_words_after_a_double_dash_are_no_options() -> None:
    assert parsed("start -- --odd")["domain"] == "--odd"


def test_the_rest_of_the_line_keeps_its_dashes() -> None:
    assert parsed("ssh web ls -l /")["command"] == ["ls", "-l", "/"]


def test_json_may_follow_the_verb() -> None:
    verb = load("list")
    assert verb is not None
    assert keywords(verb, ["--json"], Settings())[1].json is True


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("start", "domain is missing"),
        ("start web more", "unexpected word 'more'"),
        ("start web --pause", "unknown option --pause"),
        ("start web --paused=yes", "takes no value"),
        ("setvcpus web many", "must be a number"),
        ("domifaddr web --source moon", "'moon' is not a source"),
        ("reboot web --mode", "needs a value"),
    ],
)
def test_wrong_words_are_refused_by_name(words: str, why: str) -> None:
    with pytest.raises(Usage, match=why):
        parsed(words)


@pytest.mark.parametrize("name", sorted(INDEX))
def test_the_index_names_the_module_that_declares_a_verb(name: str) -> None:
    verb = load(name)
    assert verb is not None
    assert verb.name == name
    assert verb.run.__module__ == f"virtory.cli.verbs.{INDEX[name]}"


@pytest.mark.parametrize("name", sorted(INDEX))
def test_a_verb_takes_exactly_the_keywords_that_its_options_declare(name: str) -> None:
    import inspect

    verb = load(name)
    assert verb is not None
    parameters = dict(list(inspect.signature(verb.run).parameters.items())[1:])
    keys = {item.key for item in verb.options}
    named = {key for key, item in parameters.items() if item.kind is not item.VAR_KEYWORD}
    assert named <= keys
    if len(named) == len(parameters):
        assert named == keys


@pytest.mark.parametrize("name", sorted(INDEX))
def test_every_verb_has_help_that_click_can_lay_out(name: str) -> None:
    import click

    from virtory.cli import manual

    verb = load(name)
    assert verb is not None
    command = manual._command(verb)
    text = command.get_help(click.Context(command, info_name=name))
    assert verb.help.split(",")[0][:30] in " ".join(text.split())
