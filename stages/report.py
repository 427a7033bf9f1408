"""Draw every figure and write the page that answers the exercise."""

from __future__ import annotations

from pathlib import Path

from looking_glass.pipeline.artifacts import whole_directory, write_bytes, write_csv, write_text
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_all, load_section
from looking_glass.report.params import ReportParams
from looking_glass.report.results import Results
from looking_glass.report.run import make_report

METRICS, REPORTS, TABLES = Path("metrics"), Path("reports"), Path("data/tables")
ATTENTION, CHOICES = Path("data/attention"), Path("data/choices")
SEEDS = Path("benchmarks/held_out.csv")
PAGE, FIGURES, PLOTS = REPORTS / "report.html", REPORTS / "figures", REPORTS / "plots"


def main() -> None:
    """Write `report.html`, and its figures, curves and tables once more as files."""
    params = load_section(ReportParams, "report")
    results = Results(
        metrics_in=METRICS, tables=TABLES, patterns=ATTENTION, choices=CHOICES, measured=SEEDS
    )
    report = make_report(results, load_all(), params)
    with whole_directory(FIGURES) as directory:
        for name, png in report.figures.items():
            write_bytes(directory / f"{name}.png", png)
    publish(TABLES, REPORTS / "tables")
    with whole_directory(PLOTS) as directory:
        for name, table in report.plots.items():
            write_csv(directory / f"{name}.csv", table)
    write_text(PAGE, report.page)
    print(f"{PAGE}: {len(report.page.encode()):,} bytes, {len(report.figures)} figures")


def publish(source: Path, target: Path) -> None:
    """Copy every table under `source` to the same place under `target`, which goes into git."""
    with whole_directory(target) as directory:
        for path in sorted([*source.rglob("*.csv"), *source.rglob("*.json")]):
            write_bytes(directory / path.relative_to(source), path.read_bytes())


if __name__ == "__main__":
    run_stage(main)
