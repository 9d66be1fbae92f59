"""Settings come from flags, variables, avtomat.toml and defaults, in this order, and say what is wrong with them."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest

import avtomat
from avtomat.errors import SecretError, SettingsError
from avtomat.secrets import EnvironmentSecret, FileSecret, InlineSecret, Secrets
from avtomat.settings import DOC_OF, KIND_OF, Settings
from avtomat.settings_loader import LoadedSettings, load_settings


def project(folder: Path, text: str) -> Path:
    (folder / "avtomat.toml").write_text(text, "utf-8")
    return folder


def findings(folder: Path, **arguments: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(folder=folder, **{"environ": {}, **arguments})  # type: ignore[arg-type]
    return str(caught.value)


def test_a_flag_wins_over_a_variable_and_that_over_the_file(tmp_path: Path) -> None:
    folder = project(tmp_path, 'port = 1\nhost = "0.0.0.0"\nlease = "10s"\n')

    loaded = load_settings(folder=folder, environ={"AVTOMAT_PORT": "2", "AVTOMAT_HOST": "::1"}, flags={"port": "3"})

    assert (loaded.settings.port, loaded.settings.host) == (3, "::1")
    assert loaded.settings.lease == timedelta(seconds=10)
    assert loaded.sources["port"] == "--port"
    assert loaded.sources["host"] == "AVTOMAT_HOST"
    assert loaded.sources["lease"] == str(folder / "avtomat.toml")
    assert loaded.sources["drain"] == "default"


def test_a_project_without_a_file_has_the_defaults() -> None:
    assert load_settings(environ={}, folder=Path("nowhere")).settings.port == Settings().port


def test_relative_paths_of_the_file_start_at_its_folder_and_those_of_flags_at_the_working_directory(
    tmp_path: Path,
) -> None:
    folder = project(tmp_path, 'store = "sqlite:///data/jobs.db"\n[secrets]\nkey = {file = "key.txt"}\n')

    settings = load_settings(folder=folder, environ={}, flags={"blueprints": "mine"}).settings

    assert settings.sqlite_path == tmp_path / "data/jobs.db"
    assert settings.secrets["key"] == FileSecret(path=tmp_path / "key.txt")
    assert settings.blueprints == Path("mine")


def test_defaults_start_at_the_folder_of_the_project(tmp_path: Path) -> None:
    settings = load_settings(folder=tmp_path, environ={}).settings

    assert settings.blueprints == tmp_path / "workflows"
    assert settings.sqlite_path == tmp_path / "avtomat.db"


def test_an_unknown_key_is_refused_with_the_name_that_was_meant(tmp_path: Path) -> None:
    folder = project(tmp_path, "prot = 80\n")

    assert findings(folder) == f"{folder}/avtomat.toml: prot is not a setting; did you mean port?"


def test_an_unknown_variable_is_a_warning_with_the_name_that_was_meant() -> None:
    loaded = load_settings(environ={"AVTOMAT_PROT": "80"})

    assert loaded.warnings == ("AVTOMAT_PROT is not a setting; did you mean AVTOMAT_PORT?",)


def test_all_findings_come_in_one_go(tmp_path: Path) -> None:
    folder = project(tmp_path, 'port = "many"\nlease = 90\nbody_bytes_max = "1 MO"\n')

    text = findings(folder, environ={"AVTOMAT_LOG_LEVEL": "loud"})

    assert len(text.splitlines()) == 4
    assert "port: 'many' is not a whole number from 0 to 65535" in text
    assert "lease: must be a duration: a number needs its unit: 90s are seconds" in text
    assert "body_bytes_max: '1 MO' is not a size" in text
    assert "AVTOMAT_LOG_LEVEL: 'loud' is none of debug, info, warning, error" in text


def test_a_file_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = project(tmp_path, 'store = "memory:"\nport = = 1\n')

    assert "line 2" in findings(folder)


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "other.toml"

    assert "there is no such file" in findings(tmp_path, file=missing)
    assert "there is no such file" in findings(tmp_path, environ={"AVTOMAT_SETTINGS": str(missing)})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings(environ={"AVTOMAT_CLIENT_TOKEN": ""}).settings.client_token is None


@pytest.mark.parametrize(
    ("written", "bytes_"), [("512kB", 512_000), ("1MB", 1_000_000), ("1MiB", 1_048_576), ("7", 7), (7, 7)]
)
def test_sizes_are_read_in_powers_of_1000_and_of_1024(written: object, bytes_: int) -> None:
    assert load_settings(environ={}, flags={"body_bytes_max": written}).settings.body_bytes_max == bytes_


@pytest.mark.parametrize(
    "url", ["redis://me:hush@h:99999", "redis://me:hush@h:x/0", "redis://me:hush@[::1", "redis://h:0"]
)
def test_what_is_no_url_is_refused_without_its_password(url: str) -> None:
    for name in ("store", "history"):
        with pytest.raises(SettingsError, match=f"{name}: is not a URL") as refused:
            load_settings(environ={}, flags={name: url if name == "store" else url.replace("redis", "postgresql")})

        assert "hush" not in str(refused.value)


@pytest.mark.parametrize("store", ["sqlite:///a.db", "redis://h:1/0", "rediss://h", "unix:///s", "memory:"])
def test_a_store_is_named_by_a_url(store: str) -> None:
    assert load_settings(environ={}, flags={"store": store}).settings.store == store


@pytest.mark.parametrize("store", ["mysql://h", "sqlite:///", "sqlite:///:memory:", "avtomat.db"])
def test_another_store_is_refused(store: str) -> None:
    assert "--store: must " in findings(Path(), flags={"store": store})


@pytest.mark.parametrize("secret", ["short", "x" * 31, "ü" * 32, "a b" * 20])
def test_a_link_secret_that_could_be_guessed_or_garbled_is_refused_without_showing_it(secret: str) -> None:
    text = findings(Path(), environ={"AVTOMAT_LINK_SECRET": secret})

    assert "AVTOMAT_LINK_SECRET: must " in text
    assert secret not in text


@pytest.mark.parametrize(
    "url",
    ["flows.example.com", "ftp://h", "https://", "https://me:hush@h", "https://h?a", "https://h#a", "https://h:0"],
)
def test_a_public_url_that_leads_nowhere_is_refused(url: str) -> None:
    assert "--public-url: " in findings(Path(), environ={}, flags={"public_url": url})


def test_a_public_url_may_have_a_path() -> None:
    loaded = load_settings(environ={}, flags={"public_url": "https://h.example/flows/"})

    assert loaded.settings.public_url == "https://h.example/flows"


def test_two_processes_cannot_share_sqlite() -> None:
    assert "2 processes cannot share sqlite:///" in findings(Path(), flags={"processes": 2})
    assert load_settings(environ={}, flags={"processes": 2, "store": "redis://h"}).settings.processes == 2


def test_config_is_json_wherever_it_comes_from(tmp_path: Path) -> None:
    from_file = load_settings(folder=project(tmp_path, "[config]\nshop = {open = true, rate = 1.0}\n"), environ={})
    from_variable = load_settings(environ={"AVTOMAT_CONFIG": '{"shop": null}'})

    assert from_file.settings.config == {"shop": {"open": True, "rate": 1.0}}
    assert from_variable.settings.config == {"shop": None}
    assert "dates need quotes" in findings(project(tmp_path, "[config]\nday = 2026-01-31\n"))
    assert "config: " in findings(project(tmp_path, "[config]\nrate = nan\n"))


def test_retention_follows_the_store_where_nothing_is_set() -> None:
    assert Settings().retention_span == timedelta(days=7)
    assert Settings(store="redis://h").retention_span == timedelta(hours=24)
    assert Settings(retention=timedelta(hours=1)).retention_span == timedelta(hours=1)
    assert Settings(retention=timedelta()).retention_span == timedelta()


def test_a_start_may_hold_nothing_back() -> None:
    loaded = load_settings(environ={"AVTOMAT_BLUEPRINTS_HOLD": "0s"})

    assert loaded.settings.blueprints_hold == timedelta(0)


def test_a_token_may_be_in_a_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")

    loaded = load_settings(environ={"AVTOMAT_CLIENT_TOKEN_FILE": str(token)})

    assert loaded.settings.client_token == "s3cret"
    assert loaded.sources["client_token"] == "AVTOMAT_CLIENT_TOKEN_FILE"


def test_a_token_said_twice_or_unreadable_is_refused(tmp_path: Path) -> None:
    twice = {"AVTOMAT_CLIENT_TOKEN": "a", "AVTOMAT_CLIENT_TOKEN_FILE": "b"}

    assert "AVTOMAT_CLIENT_TOKEN is set too" in findings(tmp_path, environ=twice)
    assert "No such file" in findings(tmp_path, environ={"AVTOMAT_CLIENT_TOKEN_FILE": str(tmp_path / "none")})


def test_secrets_of_the_file_and_of_the_environment_are_joined(tmp_path: Path) -> None:
    folder = project(tmp_path, '[secrets]\na = "1"\nb = {env = "B"}\nc = "file"\n')

    loaded = load_settings(folder=folder, environ={"AVTOMAT_SECRET_C": "variable", "AVTOMAT_SECRET_D_FILE": "/run/d"})

    assert loaded.settings.secrets == {
        "a": InlineSecret(text="1"),
        "b": EnvironmentSecret(variable="B"),
        "c": EnvironmentSecret(variable="AVTOMAT_SECRET_C"),
        "d": FileSecret(path=Path("/run/d")),
    }
    assert loaded.sources["secrets"] == f"AVTOMAT_SECRET_…, {folder}/avtomat.toml"


def test_a_secret_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "key"
    environ = {"K": "first"}
    secrets = Secrets({"k": EnvironmentSecret(variable="K"), "f": FileSecret(path=file)}, environ=environ)
    file.write_bytes(b"line one\nline two\r\n")

    assert (secrets.text_of("k"), secrets.text_of("f")) == ("first", "line one\nline two")
    environ["K"] = "rotated"
    file.write_text("rotated")

    assert (secrets.text_of("k"), secrets.text_of("f")) == ("rotated", "rotated")


def test_a_secret_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    secrets = Secrets({"v": EnvironmentSecret(variable="V"), "f": FileSecret(path=tmp_path / "none")}, environ={})

    with pytest.raises(SecretError, match="'other' is not declared") as caught:
        secrets.text_of("other")
    assert caught.value.code == "secret.undeclared"
    with pytest.raises(SecretError, match="variable V is not set"):
        secrets.text_of("v")
    with pytest.raises(SecretError, match="No such file"):
        secrets.text_of("f")


def test_no_secret_is_shown_by_repr_or_by_its_kind() -> None:
    loaded = load_settings(
        environ={"AVTOMAT_CLIENT_TOKEN": "hush1", "AVTOMAT_WORKER_TOKEN": "hush2"},
        flags={"store": "redis://me:hush3@h/0", "history": "postgresql://me:hush4@h/d", "secrets": {"k": "hush5"}},
    )
    settings = loaded.settings
    shown = [KIND_OF[name].show(getattr(settings, name)) for name in KIND_OF]

    assert "hush" not in repr(loaded) + "".join(shown) + repr(Secrets(settings.secrets, environ={}))
    assert "redis://me:********@h/0" in shown


def test_values_are_shown_as_they_are_written() -> None:
    for name, kind in KIND_OF.items():
        default = getattr(Settings(), name)
        if default is not None and name != "secrets":
            assert kind.parse(kind.show(default)) == default, name


def test_every_setting_is_read_by_somebody() -> None:
    engine = Path(avtomat.__file__).parent
    others = [file for file in engine.rglob("*.py") if not file.name.startswith("setting")]
    nodes = (node for file in others for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}

    properties = {"retention": "retention_span"}
    assert not [name for name in KIND_OF if properties.get(name, name) not in read]


def test_each_setting_says_what_it_means() -> None:
    assert all(doc.endswith(".") for doc in DOC_OF.values())
    assert isinstance(load_settings(environ={}), LoadedSettings)


@pytest.mark.parametrize(
    "hosts",
    ["crm.internal", "localhost:8000", "10.0.0.0/8", "127.0.0.1:9000", "[::1]:9000", "fd00::/8", "::1", "a, b:80"],
)
def test_hosts_are_names_addresses_and_networks_with_or_without_a_port(hosts: str) -> None:
    loaded = load_settings(environ={"AVTOMAT_CALLS_ALLOW": hosts}, folder=Path("nowhere"))

    assert ", ".join(loaded.settings.calls_allow) == hosts


@pytest.mark.parametrize(
    "hosts", ["http://crm", "10.0.0.1/8", "a:0", "a:70000", "a:b", "[::1", "1.2.3", "a/b", "a:1:2"]
)
def test_what_is_no_host_is_refused(hosts: str) -> None:
    with pytest.raises(SettingsError, match="CALLS_ALLOW"):
        load_settings(environ={"AVTOMAT_CALLS_ALLOW": hosts}, folder=Path("nowhere"))
