"""Official klines over REST: full pages, each looked at before it is kept."""

from ingest import rest
from ingest.answers import Answers
from ingest.backfill.klines import Page
from ingest.backfill.wanted import PAGE, Piece, Plan
from ingest.http import Answer, Host, NoAnswer, Refused
from ingest.progress import Progress
from ingest.side_by_side import side_by_side
from runner.moments import iso

PATH, WEIGHT = "/api/v3/klines", 2
# Answers that lack candles are asked for again until two agree, so many times at most.
ASKED = 4
UNKNOWN_SYMBOL = {-1121, -1100}


class Pages:
    """Fetches what is missing. `candles`: how many were kept; `refused`: a sentence for each page
    that was not, or symbol that the exchange does not have.
    """

    def __init__(self, host: Host, plan: Plan, answers: Answers, progress: Progress) -> None:
        self.candles, self.refused = 0, []
        self._host, self._plan, self._answers, self._progress = host, plan, answers, progress
        self._given_up: set[tuple[str, int]] = set()
        self._unknown: set[str] = set()

    async def fetch(self) -> None:
        """Fetch all of it: the begin of each hole first, whose answer jumps over the time in which
        there are no candles yet, then all other pages.
        """
        begins = [piece for piece in self._plan.pieces() if piece.is_first]
        await side_by_side(
            self._begin, [piece for piece in begins if piece.to_us < piece.hole_to_us]
        )
        await side_by_side(self._rest, self._plan.pieces())

    async def _begin(self, piece: Piece) -> None:
        await self._keep(piece, piece.hole_to_us)

    async def _rest(self, piece: Piece) -> None:
        await self._keep(piece, piece.to_us)

    async def _keep(self, piece: Piece, to_us: int) -> None:
        """Ask for candles up to `to_us`, and keep the answer once it can be believed."""
        symbol = piece.symbol
        if symbol in self._unknown or (symbol, piece.from_us) in self._given_up:
            return
        try:
            asked, answer, page = await self._believed(piece, to_us)
        except Refused as refused:
            if refused.code not in UNKNOWN_SYMBOL:
                raise
            await self._tell_unknown(symbol)
        except _Unbelievable as error:
            self._given_up.add((symbol, piece.from_us))
            self.refused.append(
                f"{symbol} {self._plan.wanted.interval} from {iso(piece.from_us)} to"
                f" {iso(piece.to_us)}: {error}; nothing of this page was stored: run the same"
                " command again, or with --source archive"
            )
        else:
            self._answers.append(symbol, answer.fetched_us, asked, answer.body)
            until_us = self._covered_until(page, piece, to_us)
            self._plan.cover(symbol, piece.from_us, until_us)
            self.candles += len(page.rows)
            self._progress.add((until_us - piece.from_us) // self._plan.wanted.width_us)

    async def _believed(self, piece: Piece, to_us: int) -> tuple[dict, Answer, Page]:
        """What was asked, and an answer that is whole, or that another one agrees with."""
        wanted = self._plan.wanted
        times = {"startTime": piece.from_us // 1000, "endTime": to_us // 1000 - 1}
        params = {"symbol": piece.symbol, "interval": wanted.interval, **times, "limit": PAGE}
        before, flaw = None, None
        for _ in range(ASKED):
            answer = await self._host.get(PATH, WEIGHT, params)
            page = Page(answer.json, piece.from_us, to_us, wanted.width_us)
            if page.flaw and flaw:
                raise _Unbelievable(f"{page.flaw}, asked for twice")
            flaw = flaw or page.flaw
            if not page.flaw and (page.has(piece.from_us, piece.to_us) or page.rows == before):
                return {"path": PATH, **params}, answer, page
            before = before if page.flaw else page.rows
        raise _Unbelievable(f"each of {ASKED} answers lacks other candles")

    def _covered_until(self, page: Page, piece: Piece, to_us: int) -> int:
        """Up to when the answer says what there is: a full page may end early."""
        if len(page.rows) == PAGE and to_us > piece.to_us:
            return page.opens[-1] + self._plan.wanted.width_us
        return to_us

    async def _tell_unknown(self, symbol: str) -> None:
        if symbol in self._unknown:
            return
        self._unknown.add(symbol)
        try:
            near = (await rest.unknown_symbols(self._host, [symbol])).get(symbol, [])
        except NoAnswer:
            near = []
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        self.refused.append(f"the exchange has no symbol {symbol}{hint}")


class _Unbelievable(Exception):
    """No answer can be kept; the text says why."""
