"""The dispatcher of the cabinet: sessions, forms, rights, headers, and rendering."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from kodgate.core.accounts import Account
from kodgate.core.errors import InDoubt
from kodgate.engine import Engine
from kodgate.store import Unavailable
from kodgate.store.cabinet import CabinetStore
from kodgate.store.keyring import Keyring
from kodgate.store.sums import Sums
from kodgate.store.tables import tables
from kodgate.store.tries import TryStore
from kodgate.web import heads
from kodgate.web.addresses import Networks
from kodgate.web.asgi import Receive, Scope, Send, hostname
from kodgate.web.cabinet import menu, sessions, templating, texts, words
from kodgate.web.cabinet.assets import Assets
from kodgate.web.cabinet.door import Door
from kodgate.web.cabinet.passwords import Passwords
from kodgate.web.cabinet.sessions import Sessions
from kodgate.web.cabinet.texts import Writer
from kodgate.web.cabinet.visit import NOTE_COOKIE, Guest, GuestView, Page, Visit
from kodgate.web.journal import Journal

log = structlog.get_logger("kodgate.web")

SESSION_COOKIE = "kodgate_session"
FORM_COOKIE = "kodgate_form"
LANGUAGE_COOKIE = "kodgate_language"
THEME_COOKIE = "kodgate_theme"
THEMES = ("system", "light", "dark")

FIELDS_MAX = 100
YEAR_S = 365 * 86_400

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS = "max-age=31536000"
FRESH = "no-store"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """What the listener knows."""

    proxies: Networks
    allow_plain: bool = False
    wire_url: str = ""
    """What programs call; empty: the browser's own address, with `wire_port` if there is one."""
    wire_port: int | None = None
    sandbox: bool = False
    """Started by `kodgate up`: pages say that nothing leaves the machine, and link the inbox."""


class Site:
    """An ASGI app for everything below `prefix`."""

    def __init__(
        self,
        prefix: str,
        pages: Iterable[Page],
        *,
        engine: Engine,
        keyring: Keyring,
        journal: Journal,
        settings: SiteSettings,
    ) -> None:
        self.prefix = prefix
        self.engine = engine
        self.keyring = keyring
        self.journal = journal
        self.settings = settings
        self.cabinet = CabinetStore(tables(engine.store))
        self.sums = Sums(tables(engine.store))
        self.sessions = Sessions(self.cabinet, self.wall_ms)
        self.passwords = Passwords()
        self.door = Door(TryStore(tables(engine.store)), self.wall_ms)
        self.assets = Assets()
        self.streams = 0
        """Live stories that are being followed now."""
        self._templates = templating.environment()
        routes = [self._route(page) for page in pages]
        routes.append(Route(f"{prefix}static/{{name}}", self._static, methods=["GET"]))
        self._router = Router(routes, redirect_slashes=False, default=self._nothing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = heads.read(scope, self.settings.proxies, allow_plain=self.settings.allow_plain)
        if head.plain:
            await PlainTextResponse("Use https\n", 403)(scope, receive, send)
        elif scope["path"] == self.prefix[:-1]:
            answer = Response(status_code=308, headers={"location": self.prefix})
            await answer(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    @staticmethod
    def wall_ms() -> int:
        return int(time.time() * 1000)

    # From a request to a page

    def _route(self, page: Page) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                answer = await self._serve(request, page)
            except (Unavailable, InDoubt) as error:
                log.warning("page_unavailable", path=page.path, error=type(error).__name__)
                answer = PlainTextResponse("Try again later\n", 503)
            return _dressed(answer, secure=_is_secure(request, self.settings.proxies))

        return Route(f"{self.prefix}{page.path}", endpoint, methods=[page.method])

    async def _serve(self, request: Request, page: Page) -> Response:
        guest = await self._guest(request)
        found = await self.sessions.find(guest.cookie(SESSION_COOKIE))
        if found is not None and (found[0].stage == sessions.FULL or page.guest):
            visit = await self._visit(guest, *found)
            return await self._serve_visit(visit, page)
        if not page.guest:
            return self._to_sign_in(guest)
        if page.method == "POST" and not await self._read_form(guest):
            return self.refuse(guest, 403)
        return await cast(GuestView, page.view)(guest)

    async def _serve_visit(self, visit: Visit, page: Page) -> Response:
        if page.method == "POST" and not await self._read_form(visit):
            return self.refuse(visit, 403)
        if page.guest:
            return await cast(GuestView, page.view)(visit)
        if page.right is not None and page.right not in visit.rights:
            return self.refuse(visit, 403)
        if visit.account is None and not page.accountless:
            return visit.page("choose.html", accounts=await self.engine.store.accounts())
        if page.proof and not await self._proved(visit):
            return visit.go(_back(visit), note="wrong_password")
        return await page.view(visit)

    async def _guest(self, request: Request) -> Guest:
        proxies = self.settings.proxies
        guest = Guest(
            site=self,
            request=request,
            writer=Writer(texts.LANGUAGES[0]),
            theme=THEMES[0],
            secure=_is_secure(request, proxies),
            ip=heads.read(request.scope, proxies, allow_plain=True).caller_ip,
            csrf="",
        )
        accept = request.headers.get("accept-language", "")
        guest.writer = Writer(texts.choose([guest.cookie(LANGUAGE_COOKIE)], accept))
        theme = guest.cookie(THEME_COOKIE)
        guest.theme = theme if theme in THEMES else THEMES[0]
        guest.csrf = guest.cookie(FORM_COOKIE) or secrets.token_urlsafe(24)
        return guest

    async def _visit(self, guest: Guest, session: Any, user: Any) -> Visit:
        account_id = user.account_id or session.view_account_id
        account: Account | None = None
        if account_id is not None:
            account = await self.engine.store.account_by_id(account_id)
        accept = guest.request.headers.get("accept-language", "")
        language = texts.choose([guest.cookie(LANGUAGE_COOKIE), user.language], accept)
        zone = account.settings.timezone if account is not None else "UTC"
        return Visit(
            site=self,
            request=guest.request,
            writer=Writer(language, zone),
            theme=guest.theme,
            secure=guest.secure,
            ip=guest.ip,
            csrf=session.csrf,
            user=user,
            session=session,
            account=account,
        )

    def _to_sign_in(self, guest: Guest) -> Response:
        if guest.request.method == "GET" and guest.request.url.path != self.prefix:
            return guest.go(f"sign-in?next={_own_path(guest.request, self.prefix)}")
        return guest.go("sign-in")

    # Forms

    async def _read_form(self, guest: Guest) -> bool:
        """False: it does not come from a page of ours (S-105)."""
        request = guest.request
        if not _same_site(request):
            return False
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return False
        try:
            text = (await request.body()).decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            return False
        guest.form = dict(pairs)
        kept = guest.csrf if isinstance(guest, Visit) else guest.cookie(FORM_COOKIE)
        given = guest.form.get("csrf", "")
        return bool(kept) and hmac.compare_digest(kept.encode(), given.encode("utf-8", "replace"))

    async def _proved(self, visit: Visit) -> bool:
        """The password again, throttled like a sign-in (S-110)."""
        if visit.is_proved:
            return True
        if not await self.password_fits(visit, visit.user.login, visit.form.get("proof", "")):
            return False
        await self.cabinet.prove_session(visit.session.id, at=self.wall_ms())
        return True

    async def password_fits(self, guest: Guest, login: str, password: str) -> bool:
        """Throttled by login and address, without locking the owner out (S-14..S-16)."""
        if not await self.door.hears(login, password, ip=guest.ip):
            return False
        user = await self.cabinet.user(login)
        kept = None if user is None or user.disabled else user.password
        if await self.passwords.fits(kept, password):
            await self.door.succeeded(login, password, ip=guest.ip)
            return True
        await self.door.failed(login, ip=guest.ip)
        return False

    # Answers

    def render(
        self, guest: Guest, template: str, status: int, values: Mapping[str, Any]
    ) -> Response:
        note = words.NOTES.get(guest.cookie(NOTE_COOKIE))
        text = self.fragment(guest, template, note=note, **values)
        answer = Response(text, status, media_type="text/html")
        if note is not None:
            guest.set_cookie(answer, NOTE_COOKIE, "", max_age=0)
        if not isinstance(guest, Visit) and not guest.cookie(FORM_COOKIE):
            guest.set_cookie(answer, FORM_COOKIE, guest.csrf, max_age=YEAR_S)
        return answer

    def fragment(self, guest: Guest, template: str, **values: Any) -> str:
        """Of a page, for a stream too."""
        visit = guest if isinstance(guest, Visit) and guest.session.stage == "full" else None
        return self._templates.get_template(template).render(
            guest=guest, visit=visit, w=guest.writer, words=words, site=self, **values
        )

    def menu(self, visit: Visit | None) -> list[tuple[str, list[menu.Entry]]]:
        """Nothing for who has not signed in, or looks at no account."""
        if visit is None or visit.account is None:
            return []
        return menu.entries(visit.rights)

    @staticmethod
    def named(w: Writer, table: Mapping[str, str]) -> list[tuple[str, str]]:
        """A table of words as the options of a choice."""
        return [(value, w.text(text)) for value, text in table.items()]

    def base(self, guest: Guest) -> str:
        """The wire's address, for snippets: `https://host:port`."""
        if self.settings.wire_url:
            return self.settings.wire_url
        host, port = guest.request.headers.get("host", "localhost"), self.settings.wire_port
        if port is not None:
            host = f"{hostname(host.encode('latin-1')).decode('latin-1')}:{port}"
        return f"{'https' if guest.secure else 'http'}://{host}"

    def refuse(self, guest: Guest, status: int) -> Response:
        return guest.page("refused.html", status=status, code=status)

    async def _nothing(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        guest = await self._guest(request)
        found = await self.sessions.find(guest.cookie(SESSION_COOKIE))
        if found is not None and found[0].stage == sessions.FULL:
            guest = await self._visit(guest, *found)
        answer = _dressed(self.refuse(guest, 404), secure=guest.secure)
        await answer(scope, receive, send)

    async def _static(self, request: Request) -> Response:
        answer = self.assets.answer(request.path_params["name"])
        return _dressed(answer, secure=_is_secure(request, self.settings.proxies))


def _dressed(answer: Response, *, secure: bool) -> Response:
    for name, value in HEADERS.items():
        answer.headers[name] = value
    if secure:
        answer.headers["strict-transport-security"] = HSTS
    if "cache-control" not in answer.headers:
        answer.headers["cache-control"] = FRESH
    return answer


def _is_secure(request: Request, proxies: Networks) -> bool:
    if request.scope["scheme"] == "https":
        return True
    peer = request.client.host if request.client else ""
    return peer in proxies and request.headers.get("x-forwarded-proto", "") == "https"


def _same_site(request: Request) -> bool:
    """By what browsers tell of themselves; none of it can be forged by a page elsewhere."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def _own_path(request: Request, prefix: str) -> str:
    """Where the person wanted to go, below the prefix; checked again when it is used."""
    return request.url.path.removeprefix(prefix)


def _back(visit: Visit) -> str:
    """The page that a form stood on, by our own field; never an address elsewhere (S-109)."""
    return safe_path(visit.form.get("page", ""))


def safe_path(path: str) -> str:
    """A path below the prefix, or nothing (S-109)."""
    letters = path.replace("-", "").replace("/", "")
    plain = path.isascii() and (letters.isalnum() or not letters)
    return path if plain and not path.startswith("/") and "//" not in path else ""


def number_of(text: str, *, most: int = 2**31 - 1) -> int | None:
    """A whole ASCII number from a request; None: it is none (trust.md 4.2)."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        return None
    value = int(text)
    return value if value <= most else None
