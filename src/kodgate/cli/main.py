"""All commands in one place; each is a thin door to its module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kodgate.cli import exits

app = typer.Typer(
    name="kodgate",
    help="A verification-code gateway: Telegram first, SMS when the code is not read in time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
account_app = typer.Typer(help="Accounts: who may send, their money and secrets.")
tariff_app = typer.Typer(help="Tariffs: zones by prefix, prices by zone and channel.")
route_app = typer.Typer(help="SMS routes: SMPP connections to operators.")
app.add_typer(account_app, name="account", no_args_is_help=True)
app.add_typer(tariff_app, name="tariff", no_args_is_help=True)
app.add_typer(route_app, name="route", no_args_is_help=True)
db_app = typer.Typer(help="The database: its version, and moving to another one.")
app.add_typer(db_app, name="db", no_args_is_help=True)
user_app = typer.Typer(help="Users: who may sign in to the cabinet.")
app.add_typer(user_app, name="user", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="KODGATE_CONFIG", help="TOML file with the settings."),
]
Roles = Annotated[
    str | None,
    typer.Option("--roles", help="What this process does, of http,deliver,smpp,web; all."),
]
Url = Annotated[str | None, typer.Option(help="Address of the service; else KODGATE_URL.")]
Login = Annotated[str | None, typer.Option(help="Login of the account; else KODGATE_LOGIN.")]
Speech = Annotated[
    Literal["http", "json"],
    typer.Option("--protocol", envvar="KODGATE_PROTOCOL", help="How to speak to the service."),
]
Output = Annotated[
    Literal["table", "json"], typer.Option("--output", "-o", help="How results are written.")
]
Data = Annotated[Path | None, typer.Option("--data", help="Folder for the database and the keys.")]


@app.command()
def up(
    data: Data = None,
    config: ConfigFile = None,
    time_scale: Annotated[
        float | None, typer.Option(help="Business time runs so many times faster.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address of the wire.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the wire.")] = None,
    json_port: Annotated[int | None, typer.Option(help="Port of the JSON service.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of metrics and health.")] = None,
    telegram_port: Annotated[
        int, typer.Option(help="Port of the sandbox Telegram Gateway and its control API.")
    ] = 8081,
    proxy_port: Annotated[int, typer.Option(help="Port of its CONNECT-proxy listener.")] = 8082,
    smsc_port: Annotated[int, typer.Option(help="Port of the sandbox SMSC.")] = 2775,
    roles: Roles = None,
) -> None:
    """Start everything: gateway, sandbox upstreams and a demo account with money."""
    from kodgate.cli import up as command

    ports = command.SandboxPorts(telegram=telegram_port, proxy=proxy_port, smsc=smsc_port)
    settings = _settings(
        config,
        data=data,
        time_scale=time_scale,
        http__host=host,
        http__port=port,
        http__json_port=json_port,
        metrics__port=metrics_port,
        roles=roles,
    )
    exits.run(lambda: command.main(settings, ports))


@app.command()
def serve(
    config: ConfigFile = None,
    data: Data = None,
    port: Annotated[int | None, typer.Option(help="Port of the wire.")] = None,
    roles: Roles = None,
) -> None:
    """Run the gateway in production: real upstreams, your settings, no demo data."""
    from kodgate.cli import serve as command

    settings = _settings(config, data=data, http__port=port, roles=roles)
    exits.run(lambda: command.main(settings))


@app.command()
def doctor(config: ConfigFile = None, data: Data = None) -> None:
    """Check database, clock, ports, Telegram, SMPP and callbacks; say how to mend each."""
    from kodgate.cli import doctor as command

    exits.run(lambda: command.main(_settings(config, data=data)))


@app.command()
def send(
    phone: str,
    code: Annotated[str | None, typer.Option(help="4 to 8 digits; else one is made.")] = None,
    to_sms: Annotated[
        bool, typer.Option("--to-sms", help="By SMS when it is not read in time.")
    ] = False,
    valid_period: Annotated[
        int | None, typer.Option(help="Seconds to read it in, 30 to 36000.")
    ] = None,
    message_id: Annotated[
        str | None, typer.Option(help="Your own id: a repeated send is then recognised.")
    ] = None,
    test: Annotated[
        Literal["0", "1", "-1"],
        typer.Option(help="1 checks and sends nothing; -1 simulates, without an account."),
    ] = "0",
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is decided.")] = False,
    url: Url = None,
    login: Login = None,
    protocol: Speech = "http",
    output: Output = "table",
) -> None:
    """Send a code to a phone; the password comes from KODGATE_PASSWORD, its _FILE, or a prompt."""
    from kodgate.cli import sending as command
    from kodgate.cli.door import Door

    tests: dict[str, command.Test] = {"0": 0, "1": 1, "-1": -1}
    asked = command.Code(
        phone=phone,
        code=code,
        to_sms=to_sms,
        valid_period=valid_period,
        message_id=message_id,
        test=tests[test],
    )
    door = Door(url=url, login=login, protocol=protocol, output=output)
    exits.run(lambda: command.send(door, asked, wait=wait))


@app.command()
def status(
    packet: Annotated[int | None, typer.Option(help="Id of the packet.")] = None,
    message: Annotated[int | None, typer.Option(help="Id of one message.")] = None,
    own: Annotated[str | None, typer.Option(help="Your own message id.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="A line for each change.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="With --watch: seconds until it gives up.")
    ] = 660.0,
    url: Url = None,
    login: Login = None,
    protocol: Speech = "http",
    output: Output = "table",
) -> None:
    """Show where a packet is, and its messages."""
    from kodgate.cli import watching as command
    from kodgate.cli.door import Door

    door = Door(url=url, login=login, protocol=protocol, output=output)
    exits.run(
        lambda: command.status(
            door, packet=packet, message=message, own=own, watch=watch, timeout_s=timeout
        )
    )


@app.command()
def balance(url: Url = None, login: Login = None, output: Output = "table") -> None:
    """Show what the account can spend."""
    from kodgate.cli import sending as command
    from kodgate.cli.door import Door

    door = Door(url=url, login=login, protocol="http", output=output)
    exits.run(lambda: command.balance(door))


@account_app.command("create")
def account_create(
    login: str,
    name: Annotated[str, typer.Option(help="Who it is, for people.")] = "",
    tariff: Annotated[str, typer.Option(help="Name of the tariff.")] = "default",
    credit_limit: Annotated[str, typer.Option(help="How far below zero it may go.")] = "0",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Account setting NAME=VALUE; repeatable.")
    ] = None,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Create an account; prints its API secret once."""
    from kodgate.cli import accounts as command

    settings = _settings(config, data=data)
    exits.run(
        lambda: command.create(
            settings,
            login=login,
            name=name,
            tariff=tariff,
            credit_limit=credit_limit,
            changes=setting or [],
        )
    )


@account_app.command("list")
def account_list(config: ConfigFile = None, data: Data = None) -> None:
    """List all accounts with their balances."""
    from kodgate.cli import accounts as command

    exits.run(lambda: command.show_all(_settings(config, data=data)))


@account_app.command("set")
def account_set(
    login: str,
    setting: Annotated[list[str], typer.Option("--set", help="NAME=VALUE; repeatable.")],
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Change settings of an account, or block it: --set status=blocked."""
    from kodgate.cli import accounts as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.change(settings, login=login, changes=setting))


@account_app.command("resume")
def account_resume(login: str, config: ConfigFile = None, data: Data = None) -> None:
    """Let an account take codes again that a broken rule has stopped."""
    from kodgate.cli import accounts as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.resume(settings, login=login))


@account_app.command("top-up")
def account_top_up(
    login: str,
    amount: Annotated[str, typer.Argument(help="In currency units: 1000 or 1000.50")],
    document: Annotated[str, typer.Option(help="Number of the payment document.")] = "",
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Put money on an account."""
    from kodgate.cli import accounts as command

    settings = _settings(config, data=data)
    exits.run(
        lambda: command.top_up(
            settings, login=login, amount=amount, document=document, comment=comment
        )
    )


@account_app.command("secret")
def account_secret(
    login: str,
    overlap_hours: Annotated[
        float, typer.Option(help="How long the older secrets stay valid, 0 to 24.")
    ] = 24.0,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Make a new API secret (http_password); prints it once."""
    from kodgate.cli import accounts as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.new_secret(settings, login=login, overlap_hours=overlap_hours))


@account_app.command("ledger")
def account_ledger(
    login: str,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows.")] = 50,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Show the operations of an account, newest first."""
    from kodgate.cli import accounts as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.show_ledger(settings, login=login, limit=limit))


@tariff_app.command("import")
def tariff_import(
    file: Annotated[Path, typer.Argument(help="CSV: prefix;zone;channel;price[;cost]")],
    name: Annotated[str, typer.Option(help="Name of the tariff.")] = "default",
    valid_from: Annotated[str, typer.Option(help="YYYY-MM-DD or an ISO instant; empty: now.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Show the difference, save nothing.")] = False,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Read a tariff from CSV; prints what changes."""
    from kodgate.cli import tariffs as command

    settings = _settings(config, data=data)
    exits.run(
        lambda: command.read_in(
            settings, file=file, name=name, valid_from=valid_from, dry_run=dry_run
        )
    )


@tariff_app.command("show")
def tariff_show(
    phone: Annotated[str, typer.Argument(help="A number: its zone and prices.")] = "",
    name: Annotated[str, typer.Option(help="Name of the tariff.")] = "default",
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Print a tariff, or what one number costs."""
    from kodgate.cli import tariffs as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.show(settings, name=name, phone=phone))


FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@route_app.command("add")
def route_add(
    name: str,
    profile: Annotated[Path | None, typer.Option(help="JSON file with the whole profile.")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--set", help="Profile field NAME=VALUE; repeatable.")
    ] = None,
    password_stdin: FromStdin = False,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Add or replace an SMPP route. Its password is kept sealed; without a new one the old one
    stays."""
    from kodgate.cli import routes as command

    settings = _settings(config, data=data)
    exits.run(
        lambda: command.add(
            settings,
            name=name,
            profile=profile,
            fields=field or [],
            password_stdin=password_stdin,
        )
    )


@route_app.command("list")
def route_list(config: ConfigFile = None, data: Data = None) -> None:
    """List the routes; passwords are not shown."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.show_all(_settings(config, data=data)))


@route_app.command("binds")
def route_binds(config: ConfigFile = None, data: Data = None) -> None:
    """List the binds: which node holds each, and how it is."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.show_binds(_settings(config, data=data)))


@route_app.command("enable")
def route_enable(name: str, config: ConfigFile = None, data: Data = None) -> None:
    """Put a route into use."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.enable(_settings(config, data=data), name=name, on=True))


@route_app.command("disable")
def route_disable(name: str, config: ConfigFile = None, data: Data = None) -> None:
    """Take a route out of use: it is drained and unbound, and kept."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.enable(_settings(config, data=data), name=name, on=False))


@route_app.command("remove")
def route_remove(name: str, config: ConfigFile = None, data: Data = None) -> None:
    """Remove a route, also from the zones that it serves."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.remove(_settings(config, data=data), name=name))


@route_app.command("zones")
def route_zones(config: ConfigFile = None, data: Data = None) -> None:
    """List which routes serve which zone."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.show_zones(_settings(config, data=data)))


@route_app.command("zone")
def route_zone(
    zone: Annotated[str, typer.Argument(help="A zone of the tariff, or `others`.")],
    routes: Annotated[
        list[str] | None,
        typer.Argument(help="In order: the next is used while the link of one is lost."),
    ] = None,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Say which routes serve a zone; without routes it is served as the others are."""
    from kodgate.cli import routes as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.set_zone(settings, zone=zone, names=routes or []))


@route_app.command("test")
def route_test(name: str, config: ConfigFile = None, data: Data = None) -> None:
    """Bind to the SMSC of a route and unbind again; sends nothing."""
    from kodgate.cli import routes as command

    exits.run(lambda: command.test(_settings(config, data=data), name=name))


@user_app.command("create")
def user_create(
    login: str,
    account: Annotated[str, typer.Option(help="Login of the account; none: an operator.")] = "",
    role: Annotated[str, typer.Option(help="owner, developer, finance, support or operator.")] = "",
    password_stdin: FromStdin = False,
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Create a user of the cabinet; prints the password once."""
    from kodgate.cli import users as command

    settings = _settings(config, data=data)
    exits.run(
        lambda: command.create(
            settings, login=login, account=account, role=role, from_stdin=password_stdin
        )
    )


@user_app.command("list")
def user_list(config: ConfigFile = None, data: Data = None) -> None:
    """List all users with their roles."""
    from kodgate.cli import users as command

    exits.run(lambda: command.show_all(_settings(config, data=data)))


@user_app.command("password")
def user_password(
    login: str, password_stdin: FromStdin = False, config: ConfigFile = None, data: Data = None
) -> None:
    """Give a user a new password; ends all sessions of the user."""
    from kodgate.cli import users as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.new_password(settings, login=login, from_stdin=password_stdin))


@user_app.command("totp-reset")
def user_totp_reset(login: str, config: ConfigFile = None, data: Data = None) -> None:
    """Switch a user's second factor off, for who lost telephone and recovery codes."""
    from kodgate.cli import users as command

    exits.run(lambda: command.reset_totp(_settings(config, data=data), login=login))


@db_app.command("upgrade")
def db_upgrade(config: ConfigFile = None, data: Data = None) -> None:
    """Create the tables, or bring them to this version; a gateway does it when it starts."""
    from kodgate.cli import database as command

    exits.run(lambda: command.upgrade(_settings(config, data=data)))


@db_app.command("status")
def db_status(config: ConfigFile = None, data: Data = None) -> None:
    """Show which database is used, its version and the newest one."""
    from kodgate.cli import database as command

    exits.run(lambda: command.status(_settings(config, data=data)))


@db_app.command("backup")
def db_backup(
    target: Annotated[
        Path | None, typer.Argument(help="File of the copy; an older one is replaced.")
    ] = None,
    done: Annotated[
        str, typer.Option(help="Only note a backup that your own tool has made, in these words.")
    ] = "",
    config: ConfigFile = None,
    data: Data = None,
) -> None:
    """Copy SQLite while the gateway runs; for PostgreSQL note what pg_dump or the like has made."""
    from kodgate.cli import database as command

    settings = _settings(config, data=data)
    exits.run(lambda: command.backup(settings, target=target, done=done))


@db_app.command("migrate")
def db_migrate(
    source: Annotated[str, typer.Option("--from", help="sqlite:///path or postgresql://...")],
    target: Annotated[str, typer.Option("--to", help="An empty database of either kind.")],
) -> None:
    """Copy everything into an empty database and compare both; stop the gateway before."""
    from kodgate.cli import database as command

    exits.run(lambda: command.migrate(source, target))


def _settings(path: Path | None, **overrides: Any) -> Any:
    from kodgate.cli import exits
    from kodgate.config import ConfigError, load

    try:
        return load(path, **overrides)
    except ConfigError as error:
        typer.echo(f"kodgate: {error}", err=True)
        raise typer.Exit(exits.USAGE) from None


def main() -> None:
    """Entry point of the console script."""
    sys.exit(app())
