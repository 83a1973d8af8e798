"""What must be true of every history. Each claim plays it and raises AssertionError where it does not hold."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from tests.property import commands as do
from tests.property.laws import PLACES, REGIMES
from tests.property.model import NEVER, RANK, View
from tests.property.play import IDS, NAMES, Played, Sides

Claim: TypeAlias = Callable[[do.History], None]
COMPARE_EVERY = 8
"""Commands between two comparisons of everything; each is followed by the smaller claims."""


def agrees(history: do.History) -> None:
    """Domain and model accept the same commands, and give the same states, checks and regimes at several moments."""
    sides = Sides()
    for n, step in enumerate(sides.play(history), start=1):
        if step.refusal is None:
            assert not step.expected, "accepted"
        else:
            assert step.refusal in step.expected, "refused"
        if n % COMPARE_EVERY == 0 or n == len(history):
            _same_answers(sides, (NEVER, step.now, step.now + 20 * do.HOUR_US, step.now + 4_000 * do.HOUR_US))


def _same_answers(sides: Sides, moments: Sequence[int]) -> None:
    view = sides.model.view
    for who in do.PEOPLE:
        for purpose in sides.catalogue.purposes:
            questions = _questions(sides, who, purpose)
            for now in moments:
                (standing,) = sides.group(who).standing([purpose], now)
                assert standing.state.name == view.state(who, purpose, now), "state"
                for regimes in questions:
                    verdict = sides.verdict(who, purpose, sorted(regimes), now)
                    answer = view.check(who, purpose, regimes, now)
                    assert verdict.state is standing.state, "state of a check"
                    assert verdict.allowed == answer.allowed, "allowed"
                    assert verdict.why.name in answer.whys, "why"
                    assert verdict.valid_until_us == answer.until, "valid until"


def _questions(sides: Sides, who: str, purpose: str) -> list[set[str]]:
    """Each regime alone, and those that apply to a check from each place, on which both sides must agree first."""
    view = sides.model.view
    questions = [{r} for r in REGIMES]
    for place in ("", *PLACES):
        applying = {r for r, _ in view.applying(purpose, {place, *view.places(who)})}
        assert sides.applying(who, purpose, place) == (applying or None), "regimes"
        if applying and applying not in questions:
            questions.append(applying)
    return questions


def replays(history: do.History) -> None:
    """Events alone rebuild every aggregate, at every step's end, and leave positions without gaps and growing times."""
    sides = Sides()
    for _ in sides.play(history):
        pass
    assert [e.position for e in sides.log] == list(range(1, len(sides.log) + 1)), "positions"
    times = [e.recorded_us for e in sides.log]
    assert all(a < b for a, b in pairwise(times)), "times"
    again: dict[object, object] = {}
    for event in sides.log:
        again[event.originator_id] = event.mutate(again.get(event.originator_id))
    for who, person in sides.people.items():
        rebuilt = again[IDS[who]]
        assert rebuilt.state == person.state, "person"  # type: ignore[attr-defined]
    for name in ("tenant", "purposes", "notices", "ordinals", "material"):
        assert getattr(again[sides.catalogue.id], name) == getattr(sides.catalogue, name), "catalogue"


def refusals_change_nothing(history: do.History) -> None:
    """A refused command leaves no pending event and no changed state."""
    sides = Sides(keep_states=True)
    for step in sides.play(history):
        if step.refusal is not None:
            assert not step.pending_after_refusal, "pending"
            assert not step.events, "events"
            assert step.states_before == {w: p.state for w, p in sides.people.items()}, "state"


def revocations_are_named(history: do.History) -> None:
    """An event names a purpose as revoked exactly when a check that could be ALLOWED is NOT_ALLOWED because of it.

    "Because of it" in two senses, and both count: at the moment of the command; and apart from the passing of time,
    since an end that has come but is not recorded has not been told to anybody yet.
    """
    sides = Sides()
    for step in sides.play(history):
        if isinstance(step.command, do.Define | do.Retire | do.Publish | do.Home):
            _catalogue_revocation_is_marked(step)
            continue
        named = _named(step)
        for who in do.PEOPLE:
            fallen = set(_fallen(step, who))
            told = named[who] if who in named else {p for m in step.after.group(who) for p in named.get(m, ())}
            assert fallen <= told, "a revocation that no event names"
            if who in named:
                assert told <= fallen, "an event names what it did not revoke"


def _named(step: Played) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {}
    for event in step.events:
        if not event.collected.jurisdiction:  # a new place may revoke any purpose
            assert set(event.revoked) <= {getattr(event, "purpose", p) for p in event.revoked}, "another purpose"
        named.setdefault(NAMES[event.originator_id.bytes], set()).update(event.revoked)
    return named


def _fallen(step: Played, who: str) -> Iterator[str]:
    if step.before is step.after:
        return
    for purpose in (*do.PURPOSES, do.LATER):
        form = step.before.purpose(purpose)
        regimes = [r for r, _ in form.bases] if form else []
        fell = any(_falls(step, who, purpose, r, moment) for r in regimes for moment in (NEVER, step.now))
        if fell or (form and _displaced(step, who, purpose)):
            yield purpose


def _displaced(step: Played, who: str, purpose: str) -> bool:
    """Whether a place that became known brought a regime that refuses what those of the places before allowed."""
    before, after = step.before, step.after
    if after.places(who) <= before.places(who) or (not isinstance(step.command, do.Link) and not _met(before, who)):
        return False
    old = sorted({r for r, _ in before.applying(purpose, before.places(who))})
    new = sorted({r for r, _ in after.applying(purpose, after.places(who))})
    return bool(old) and any(
        before.check(who, purpose, old, moment).allowed and not after.check(who, purpose, new, moment).allowed
        for moment in (NEVER, step.now)
    )


def _met(view: View, who: str) -> bool:
    """Whether anything was recorded about a person or those linked."""
    return any(getattr(f, "who", None) in view.group(who) or who in getattr(f, "pair", ()) for f in view.facts)


def _falls(step: Played, who: str, purpose: str, regime: str, moment: int) -> bool:
    allowed = step.before.check(who, purpose, [regime], moment).allowed
    return allowed and not step.after.check(who, purpose, [regime], moment).allowed


def _catalogue_revocation_is_marked(step: Played) -> None:
    marked = any(getattr(e, "revokes", False) or (hasattr(e, "notice") and e.notice.material) for e in step.events)
    cases = [(p, who) for p in (*do.PURPOSES, do.LATER) if step.before.purpose(p) for who in do.PEOPLE]
    fallen = any(_falls(step, who, p, r, step.now) for p, who in cases for r in REGIMES)
    fallen = fallen or any(_falls_from(step, who, p, place) for p, who in cases for place in ("", *PLACES))
    assert marked or not fallen, "a revocation that the catalogue does not mark"


def _falls_from(step: Played, who: str, purpose: str, place: str) -> bool:
    """Whether a check from a place was ALLOWED and is not, each under the regimes that applied."""
    answers = []
    for view in (step.before, step.after):
        regimes = {r for r, _ in view.applying(purpose, {place, *view.places(who)})}
        answers.append(bool(regimes) and view.check(who, purpose, regimes, step.now).allowed)
    return answers == [True, False] and bool(regimes)


def refusals_stand(history: do.History) -> None:
    """P2: a refusal of what could be refused stands, whatever becomes of the basis, until the person's newer grant."""
    sides = Sides()
    for n, step in enumerate(sides.play(history), start=1):
        if n % COMPARE_EVERY == 0 or n == len(history) or isinstance(step.command, do.Define):
            _every_refusal_stands(sides, step)


def _every_refusal_stands(sides: Sides, step: Played) -> None:
    for who in do.PEOPLE:
        for purpose, form in sides.catalogue.purposes.items():
            since = _refused_last(step.after, who, purpose)
            for regime in form.bases if since is not None else ():
                if _could_be_refused(step.after, purpose, regime, since or 0):
                    for moment in (NEVER, step.now):
                        assert not sides.verdict(who, purpose, [regime], moment).allowed, "a refusal was lifted"


def _refused_last(view: View, who: str, purpose: str) -> int | None:
    """Where in the list the refusal is that stands for this person, if one does."""
    refusals = (n for n in view.standing(who, purpose) if RANK[view.said(n).kind] > 0)
    return min(refusals, default=None)


def _could_be_refused(view: View, purpose: str, regime: str, since: int) -> bool:
    """Whether the basis asked the person when the act was recorded, or ever after."""
    facts = enumerate(view.facts)
    forms = [(n, dict(f.bases)) for n, f in facts if isinstance(f, do.Define) and f.purpose == purpose]
    in_force = [bases for n, bases in forms if n < since][-1:] + [bases for n, bases in forms if n > since]
    return any(bases.get(regime, "CONTRACT") != "CONTRACT" for bases in in_force)


CLAIMS: tuple[Claim, ...] = (agrees, replays, refusals_change_nothing, revocations_are_named, refusals_stand)
