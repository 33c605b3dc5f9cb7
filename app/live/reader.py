"""The one reader of a watched run: looks into SQL when Redis says so or every two seconds, and tells all viewers."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from app.live.frames import Bulletin, encode
from studio import runs
from studio.db import DATABASE_AWAY, SessionFactory, reading
from studio.errors import NotFound
from studio.wire import stream_key

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
# Between two looks at least: a burst of pokes is one look.
SPACING_SECONDS = 0.1
RETRY_SECONDS = 1.0
# A viewer that is further behind reads from SQL by itself what it misses.
KEPT_BULLETINS = 64
_Found = TypeVar("_Found")


class Reader:
    """Follows one run for all who watch it in this process, as long as anybody does; made inside the event loop."""

    def __init__(self, run_id: str, session_factory: SessionFactory, redis: Any) -> None:
        self.viewers = 0
        # Bulletins are counted from 1; everybody was told up to `position`, which is None until the first look.
        self.count = 0
        self.position: int | None = None
        self.is_over = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.next: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._run_id = run_id
        self._session_factory = session_factory
        self._redis = redis
        self._kept: deque[Bulletin] = deque(maxlen=KEPT_BULLETINS)
        self._shown: tuple[object, ...] = ()
        self._poked = asyncio.Event()
        self._is_away = False
        self._following = asyncio.create_task(self._follow())
        self._following.add_done_callback(lambda _: self._wake())
        self._listening = asyncio.create_task(self._listen())

    def close(self) -> None:
        """Stop reading and let every viewer go."""
        self._following.cancel()
        self._listening.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    @property
    def has_ended(self) -> bool:
        """Closed, or broken off by an error: in either case there will be no more news."""
        return self.closed.done() or (self._following.done() and not self.is_over)

    def check(self) -> None:
        """Raise what broke the reader off, so that the edge of each viewer's request tells of it."""
        if not self.closed.done():
            self._following.result()

    def bulletin(self, number: int) -> Bulletin | None:
        """The bulletin of that number; None when it is too old to be kept."""
        place = self.count - number
        return self._kept[-1 - place] if place < len(self._kept) else None

    async def read(self, after: int, upto: int) -> Bulletin:
        """What came behind `after` and up to `upto`, or less of it when that is much."""
        return (await self._answer(lambda session: _read(session, self._run_id, after, upto)))[1]

    async def _follow(self) -> None:
        standing = await self._answer(lambda session: _standing(session, self._run_id, 0))
        self._shown, self.position, self.is_over = standing.shown, standing.newest, standing.is_over
        self._wake()
        while not self.is_over:
            await self._pause()
            await self._look()
        self._listening.cancel()

    async def _look(self) -> None:
        """Tell what is new; what is much comes in parts."""
        position, shown = self.position or 0, self._shown
        standing, news = await self._answer(lambda session: _read(session, self._run_id, position, None, shown))
        self._shown, self.position = standing.shown, news.upto
        self.is_over = standing.is_over and news.upto == standing.newest
        if news.upto < standing.newest:
            self._poked.set()
        if news.body or news.upto > position:
            self._kept.append(news)
            self.count += 1
            self._wake()

    async def _pause(self) -> None:
        """Until Redis says that there is something, or it is time to look anyway."""
        await asyncio.sleep(SPACING_SECONDS)
        try:
            await asyncio.wait_for(self._poked.wait(), POLL_SECONDS - SPACING_SECONDS)
        except TimeoutError:
            return
        finally:
            self._poked.clear()

    async def _listen(self) -> None:
        """Wait for pokes; which one it was does not matter, for SQL tells the rest."""
        cursor, is_down = "$", False
        while True:
            try:
                found = await self._redis.xread({stream_key(self._run_id): cursor}, count=10, block=10_000)
            except RedisError as error:
                if not is_down:
                    log.warning("Redis does not answer (%s); pages look every 2 s.", type(error).__name__)
                cursor, is_down = "$", True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            is_down = False
            # After a silence the cursor is forgotten: a Redis whose clock was set back gives smaller ids.
            cursor = found[0][1][-1][0] if found else "$"
            if found:
                self._poked.set()

    async def _answer(self, question: Callable[[Session], _Found]) -> _Found:
        """Ask SQL in a thread, again and again while it is away."""
        while True:
            try:
                found = await asyncio.to_thread(_ask, self._session_factory, question)
            except DATABASE_AWAY as error:
                if not self._is_away:
                    log.warning("The database does not answer (%s); streams wait.", type(error).__name__)
                self._is_away = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._is_away = False
                return found

    def _wake(self) -> None:
        """Let every viewer look; the next news are another future's."""
        woken, self.next = self.next, asyncio.get_running_loop().create_future()
        woken.set_result(None)


def _ask(session_factory: SessionFactory, question: Callable[[Session], _Found]) -> _Found:
    with reading(session_factory) as session:
        return question(session)


def _standing(session: Session, run_id: str, after: int) -> runs.Standing:
    standing = runs.read_standing(session, run_id, after=after)
    if standing is None:
        raise NotFound("There is no such run.")
    return standing


def _read(
    session: Session, run_id: str, after: int, upto: int | None, shown: tuple[object, ...] | None = None
) -> tuple[runs.Standing, Bulletin]:
    """The news behind `after`; something has changed for sure when it is not known what was `shown`."""
    standing = _standing(session, run_id, after)
    last = standing.newest if upto is None else upto
    points = runs.read_new_points(session, run_id, after=after, upto=last)
    if len(points) == runs.MAX_POINTS_AT_ONCE:
        last = points[-1].seq
    is_changed = standing.has_events or standing.shown != shown
    return standing, encode(after, last, standing, points, is_changed=is_changed)
