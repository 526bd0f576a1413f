"""What is wrong or doubtful in a set of files: collected over the whole set, grouped, one sentence each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from posedata.errors import BadInput

MAX_LISTED = 60  # sentences of one error; the rest is counted


@dataclass(frozen=True)
class Finding:
    """One fault or warning; `count` is how often the same thing was met in the same file."""

    kind: str  # a stable short name, for machines
    what: str
    remedy: str = ""
    file: str = ""
    frame: str = ""
    field: str = ""
    count: int = 1

    def sentence(self) -> str:
        """File, frame and field, what is wrong, and what to do."""
        where = [
            self.file,
            f"frame {self.frame}" if self.frame else "",
            f"field {self.field}" if self.field else "",
        ]
        place = ", ".join(part for part in where if part)
        more = f" (and {self.count - 1} more like it in this file)" if self.count > 1 else ""
        text = f"{place}: {self.what}{more}" if place else f"{self.what}{more}"
        return f"{text}; {self.remedy}" if self.remedy else text


def summarised(findings: tuple[Finding, ...]) -> list[str]:
    """One sentence for each kind: the first finding's, with the number of further files that have it."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return [
        first.sentence() + (f" [the same in {len(rest)} more files]" if rest else "")
        for first, *rest in kinds.values()
    ]


class ScoringInputError(BadInput):
    """Files that cannot be scored; `findings` has every fault of the set, the message lists them.

    `warnings` are the doubts that were noted before: they often say where a fault comes from.
    """

    def __init__(self, findings: tuple[Finding, ...], warnings: tuple[Finding, ...] = ()) -> None:
        self.findings = findings
        self.warnings = warnings
        lines = [finding.sentence() for finding in findings[:MAX_LISTED]]
        if len(findings) > MAX_LISTED:
            lines.append(f"... and {len(findings) - MAX_LISTED} more faults of other kinds or files")
        if len(findings) > 1:
            lines.insert(0, f"{len(findings)} faults:")
        super().__init__("\n".join(lines))


class Findings:
    """Collects faults (which end the scoring) and warnings (which go with the figures)."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], Finding] = {}
        self._warnings: dict[tuple[str, str], Finding] = {}

    def fault(self, kind: str, what: str, remedy: str = "", file: str = "", frame: str = "", field: str = "") -> None:
        """Note a fault; the first of its kind in a file is told in full, the others are counted."""
        self._add(self._faults, Finding(kind, what, remedy, file, frame, field))

    def warn(
        self, kind: str, what: str, remedy: str = "", file: str = "", frame: str = "", field: str = "", count: int = 1
    ) -> None:
        """Note something that is accepted but doubtful."""
        self._add(self._warnings, Finding(kind, what, remedy, file, frame, field, count))

    def extend(self, other: Findings) -> None:
        """Take over everything the other has found."""
        for mine, theirs in ((self._faults, other._faults), (self._warnings, other._warnings)):
            for finding in theirs.values():
                self._add(mine, finding)

    @staticmethod
    def _add(table: dict[tuple[str, str], Finding], finding: Finding) -> None:
        key = (finding.kind, finding.file)
        known = table.get(key)
        table[key] = replace(known, count=known.count + finding.count) if known else finding

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(self._faults.values())

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(self._warnings.values())

    def raise_faults(self) -> None:
        """End with every fault found so far.

        Raises:
            ScoringInputError: there is at least one.
        """
        if self._faults:
            raise ScoringInputError(self.faults, self.warnings)
