"""Every setting of the server: a typed field with its doc line. Unknown keys are errors.

Read from a TOML file and from the environment (`KODGATE_HTTP__PORT=8080`; the environment wins).
Any setting may be given as a file: `KODGATE_MASTER_KEY_FILE=/run/secrets/key`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

PREFIX = "KODGATE_"
NESTED = "__"
HIDDEN = "***"

_PASSWORD_IN_URL = re.compile(r"(password=)[^&]*", re.IGNORECASE)


class ConfigError(Exception):
    """A setting that cannot be used; the text names it and never shows a secret."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Http(_Section):
    """The wire; and the pages for people, unless `pages` says otherwise."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the wire.")
    json_port: int = Field(
        8787, ge=0, le=65535, description="Second port with the same routes: the JSON service."
    )
    allow_plain: bool = Field(
        False, description="Serve plain HTTP on an address that is not loopback."
    )
    tls_cert: Path | None = Field(None, description="PEM certificate chain; with it, HTTPS.")
    tls_key: Path | None = Field(None, description="PEM private key of `tls_cert`.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks whose X-Forwarded-For is believed."
    )
    connections_max: int = Field(2048, ge=1, description="Open connections in all.")
    connections_per_source_max: int = Field(
        512, ge=1, description="Open connections from one address; loopback is exempt."
    )
    log_requests: bool = Field(False, description="One log line per answered request.")
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Processes that take requests, all on the same ports, while this one does what"
        " else its roles say; their metrics are on the ports after `metrics.port`. 0: this one"
        " takes them.",
    )


class Pages(_Section):
    """What people look at: cabinet, console and inbox. Apart from the wire in production."""

    host: str = Field("", description="Address of their own listener; empty: that of `http.host`.")
    port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of a listener of their own; without it they share the wire's.",
    )
    name: str = Field(
        "",
        pattern=r"^[A-Za-z0-9.-]{0,253}$",
        description="Host name that alone shows them, such as cabinet.example.com; the wire does"
        " not answer to it. Empty: any name.",
    )
    wire_url: str = Field(
        "",
        description="Address that programs call, for the examples in the cabinet; empty: the one"
        " that the browser uses, with the wire's port.",
    )


class Console(_Section):
    """The operator console."""

    alone_max: int | None = Field(
        None,
        ge=0,
        description="What one operator books alone for one account within 24 hours, top-ups and"
        " corrections together, in 1/10,000 of the currency; what goes beyond it waits for another"
        " operator. Without it nothing waits.",
    )


class Metrics(_Section):
    """/metrics, /livez and /readyz, on a listener of their own."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(9464, ge=0, le=65535, description="Port to listen on.")


class Requests(_Section):
    """The request log of the cabinet."""

    days: int = Field(
        3,
        ge=1,
        le=31,
        description="How long requests are kept; their texts no longer than the account's codes.",
    )
    rows_max: int = Field(
        200_000,
        ge=1_000,
        le=10_000_000,
        description="Requests that are kept in all; of one account at most a tenth of them.",
    )


class Telegram(_Section):
    """The Telegram Gateway channel."""

    token: SecretStr = Field(SecretStr(""), description="Access token; empty: no such channel.")
    base_url: str = Field(
        "https://gatewayapi.telegram.org", description="Where the Gateway API is."
    )
    callback_url: str = Field(
        "", description="Our public address of /callbacks/telegram; empty: polling only."
    )
    sender_username: str = Field("", description="Verified channel that the code is sent from.")
    proxy: str = Field("", description="HTTP proxy for calls to Telegram.")
    ca_file: Path | None = Field(None, description="PEM file with the CAs to trust.")
    expected_cost: int = Field(
        100, ge=0, description="Price of one code, in 1/10,000 of Telegram's currency."
    )
    polls_per_s: int = Field(20, ge=1, description="Status calls per second and token.")
    concurrency: int = Field(64, ge=1, description="Codes under way at once.")


class Sms(_Section):
    """SMS over SMPP; its routes are saved with `kodgate route`, or in the console."""

    bind_lease_s: float = Field(
        20.0,
        ge=1,
        le=300,
        description="For how long a bind is a node's without a sign of life; then another takes it."
        " The same on every node.",
    )


class Limits(_Section):
    """What the operator allows over all accounts."""

    packets_per_phone_10min: int = Field(
        0, ge=0, description="Packets to one phone in ten minutes, whoever sends; 0: no limit."
    )
    packets_per_phone_day: int = Field(
        0, ge=0, description="Packets to one phone in a day, whoever sends; 0: no limit."
    )


class Log(_Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level to write."
    )
    format: Literal["auto", "json", "plain"] = Field(
        "auto", description="auto: plain on a terminal, JSON lines elsewhere."
    )


class Config(_Section):
    """The whole of it."""

    data: Path = Field(Path("kodgate-data"), description="Folder for the database and the keys.")
    database: str = Field("", description="Database URL; empty: SQLite in the data folder.")
    keys: Path | None = Field(
        None, description="Folder of the data keys; empty: `keys` in the data folder."
    )
    master_key: SecretStr = Field(
        SecretStr(""), description="64 hex digits; wraps all keys. `kodgate up` makes its own."
    )
    node: str = Field(
        "",
        description="Name of this process; empty: the host's name, and its roles if not all. No two"
        " running processes may have the same.",
    )
    roles: tuple[Literal["http", "deliver", "smpp", "web"], ...] = Field(
        ("http", "deliver", "smpp", "web"),
        min_length=1,
        description="What this process does: http takes requests, deliver sends by messenger and"
        " decides deadlines, smpp sends SMS, web shows pages.",
    )
    time_scale: float = Field(
        1.0, ge=1, le=1000, description="Business time runs so many times faster: demo, tests."
    )
    trust_wall_clock: bool = Field(
        False, description="Take the wall clock at start although it jumped by over 5 s."
    )
    crash_at: str = Field("", description="Dies at this crash point: for tests only.")
    http: Http = Field(default_factory=Http, description="The wire.")
    pages: Pages = Field(default_factory=Pages, description="Cabinet, console and inbox.")
    console: Console = Field(default_factory=Console, description="Operator console.")
    metrics: Metrics = Field(default_factory=Metrics, description="Metrics and health.")
    requests: Requests = Field(default_factory=Requests, description="The request log.")
    telegram: Telegram = Field(default_factory=Telegram, description="Telegram Gateway.")
    sms: Sms = Field(default_factory=Sms, description="SMS over SMPP.")
    limits: Limits = Field(default_factory=Limits, description="Limits over all accounts.")
    log: Log = Field(default_factory=Log, description="Logging.")

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'kodgate.db'}"

    @property
    def keys_folder(self) -> Path:
        return self.keys or self.data / "keys"


def load(
    path: Path | None,
    environ: Mapping[str, str] = os.environ,
    **overrides: Any,
) -> Config:
    """The settings of a file, over them the environment, over them the arguments.

    `overrides`: nested by `__` too (`http__port=0`). Raises ConfigError naming the setting.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_toml(path)
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and not name.startswith(_NOT_OURS):
            _put(values, *_from_environ(name, text))
    for name, value in overrides.items():
        if value is not None:
            _put(values, name.split(NESTED), value)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


_NOT_OURS = (
    "KODGATE_DEMO_",
    "KODGATE_URL",
    "KODGATE_LOGIN",
    "KODGATE_PASSWORD",
    "KODGATE_PROTOCOL",
    "KODGATE_REQUIRE_ALL",
    "KODGATE_TEST_",
    "KODGATE_CONFIG",
)
"""Names of the demo account, the client and the tests; they are no settings of the server."""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _from_environ(name: str, text: str) -> tuple[list[str], str]:
    path = name.removeprefix(PREFIX).lower().split(NESTED)
    if path[-1].endswith("_file") and not _is_field(path):
        path[-1] = path[-1].removesuffix("_file")
        try:
            return path, Path(text).read_text("utf-8").strip()
        except OSError as error:
            raise ConfigError(f"cannot read the file of {name}: {error.strerror}") from None
    return path, text


def _is_field(path: list[str]) -> bool:
    model: type[BaseModel] = Config
    for part in path[:-1]:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type):
            return False
        model = field.annotation
    return path[-1] in model.model_fields


_LISTS = frozenset({"trusted_proxies", "roles"})
"""Settings that the environment and the command line give as one text with commas."""


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    if path[-1] in _LISTS and isinstance(value, str):
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    values[path[-1]] = value


def _explain(error: ValidationError) -> str:
    lines = []
    for one in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in one["loc"])
        unknown = one["type"] == "extra_forbidden"
        lines.append(f"{name}: {'unknown setting' if unknown else one['msg']}")
    return "; ".join(lines)


def sections() -> list[tuple[str, type[BaseModel]]]:
    """Every section with its TOML name, for the generated example and reference."""
    found: list[tuple[str, type[BaseModel]]] = [("", Config)]
    for name, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append((name, kind))
    return found


def told(config: BaseModel) -> dict[str, Any]:
    """Every setting as JSON can hold it, secrets in clear: for a pipe to a process of our own."""
    return {name: _told(value) for name, value in config}


def _told(value: Any) -> Any:
    match value:
        case BaseModel():
            return told(value)
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
        case _:
            return value


def shown(config: BaseModel, above: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its dotted name, secrets and the passwords in addresses hidden."""
    for name, value in config:
        if isinstance(value, BaseModel):
            yield from shown(value, f"{above}{name}.")
        elif isinstance(value, SecretStr):
            yield f"{above}{name}", HIDDEN if value.get_secret_value() else ""
        elif isinstance(value, bool):
            yield f"{above}{name}", str(value).lower()
        elif isinstance(value, tuple):
            yield f"{above}{name}", ", ".join(str(one) for one in value)
        else:
            yield f"{above}{name}", "" if value is None else without_password(str(value))


def without_password(url: str) -> str:
    """`postgresql://alice:secret@host/x?password=y` -> `postgresql://alice:***@host/x?...`."""
    before, sign, after = url.rpartition("@")
    scheme, slashes, user = before.partition("://")
    if sign and slashes and ":" in user:
        url = f"{scheme}://{user.partition(':')[0]}:{HIDDEN}@{after}"
    return _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}", url)
