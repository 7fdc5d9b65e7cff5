"""One request to a page: who asks, about which account, in which language."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kodgate.core.accounts import Account
from kodgate.store.cabinet import Session, User
from kodgate.web.cabinet.roles import RIGHTS, Right, Role
from kodgate.web.cabinet.texts import Writer

if TYPE_CHECKING:
    from kodgate.web.cabinet.site import Site

NOTE_COOKIE = "kodgate_note"
NOTE_S = 60


@dataclass(slots=True, kw_only=True)
class Guest:
    """A request before, or without, a session."""

    site: Site
    request: Request
    writer: Writer
    theme: str
    secure: bool
    """The browser came over TLS: cookies get the `__Host-` prefix."""
    ip: str
    csrf: str
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    def link(self, path: str) -> str:
        """`messages` -> `/cabinet/messages`."""
        return f"{self.site.prefix}{path}"

    def go(self, path: str, *, note: str = "") -> Response:
        """To a page of ours after a form (303); `note` is a key of words.NOTES."""
        answer = RedirectResponse(self.link(path), 303)
        if note:
            self.set_cookie(answer, NOTE_COOKIE, note, max_age=NOTE_S)
        return answer

    def set_cookie(self, answer: Response, name: str, value: str, *, max_age: int) -> None:
        answer.set_cookie(
            self.cookie_name(name),
            value,
            max_age=max_age,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def cookie_name(self, name: str) -> str:
        return f"__Host-{name}" if self.secure else name

    def cookie(self, name: str) -> str:
        return self.request.cookies.get(self.cookie_name(name), "")

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return self.site.render(self, template, status, values)


@dataclass(slots=True, kw_only=True)
class Visit(Guest):
    """A signed-in person's request."""

    user: User
    session: Session
    account: Account | None
    """None: an operator who looks at no account."""

    @property
    def rights(self) -> frozenset[Right]:
        return RIGHTS[Role(self.user.role)]

    def may(self, right: str) -> bool:
        return Right(right) in self.rights

    @property
    def is_proved(self) -> bool:
        return self.site.sessions.is_proved(self.session)

    @property
    def own(self) -> Account:
        """The account that the page is about: the dispatcher has seen to it."""
        assert self.account is not None
        return self.account

    async def audit(self, action: str, detail: str = "") -> None:
        """A line of the trail; never a code, password or full phone."""
        await self.site.cabinet.audit(
            at=self.site.wall_ms(),
            account_id=None if self.account is None else self.account.id,
            actor=self.user.login,
            action=action,
            detail=detail,
            ip=self.ip,
        )


View = Callable[[Visit], Awaitable[Response]]
GuestView = Callable[[Guest], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One row of a page module's table."""

    path: str
    """Below the prefix, in Starlette's spelling."""
    view: View | GuestView
    right: Right | None = Right.SEE
    method: str = "GET"
    guest: bool = False
    """Needs no session."""
    proof: bool = False
    """A sensitive change: the form carries the password, unless it was given just now (S-110)."""
    accountless: bool = False
    """Shown to an operator who looks at no account."""
