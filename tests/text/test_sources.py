"""Section `download`: hashes and addresses are well formed, and every choice has a source."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import load_section
from looking_glass.text import sources
from tests.helpers.project import ROOT


def test_every_pinned_source_of_the_project_is_well_formed() -> None:
    params = load_section(sources.DownloadParams, "download", ROOT / "params.yaml")
    assert list(params.sources()) == ["book.txt", "encoder.json", "vocab.bpe"]


@pytest.mark.parametrize("bad", ["F" * 64, "0" * 63, "", "sha256:" + "0" * 64])
def test_a_hash_that_is_none_is_refused_before_anything_is_fetched(bad: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        sources.UrlSource(url="https://example.org", sha256=bad)


def test_a_url_of_another_sort_is_refused() -> None:
    with pytest.raises(ValidationError, match="url"):
        sources.UrlSource(url="ftp://example.org/a", sha256=None)


@pytest.mark.parametrize("key", ["project", "filename"])
@pytest.mark.parametrize("bad", ["/etc", "../x.whl", "a/b", ".", "..", "", "a\n", "<script>", "é"])
def test_a_name_that_is_a_path_is_refused(key: str, bad: str) -> None:
    good = {"project": "book", "filename": "book-1.0+x.whl", "member": "../a", "sha256": "0" * 64}
    good["filename_sha256"] = good["sha256"]
    assert sources.PackageSource.model_validate(good)
    with pytest.raises(ValidationError, match=key):
        sources.PackageSource.model_validate({**good, key: bad})


def choose(source: str, tables_source: str = "local") -> dict[str, sources.Source]:
    origins = {name: {"local": {"path": name}} for name in ("book", "vocab", "merges")}
    section = {"source": source, "tables_source": tables_source, **origins}
    return sources.DownloadParams.model_validate(section).sources()


def test_each_file_comes_from_the_kind_of_source_that_was_chosen() -> None:
    assert {name: str(getattr(source, "path", "")) for name, source in choose("local").items()} == {
        "book.txt": "book",
        "encoder.json": "vocab",
        "vocab.bpe": "merges",
    }


@pytest.mark.parametrize(
    ("kinds", "key"),
    [(("kaggle", "local"), "download.book"), (("local", "package"), "download.vocab")],
)
def test_a_source_that_params_lack_is_named_by_its_key(kinds: tuple[str, str], key: str) -> None:
    kind = next(kind for kind in kinds if kind != "local")
    with pytest.raises(InputError, match=rf"kind '{kind}' was chosen: it requires {key}\.{kind}"):
        choose(*kinds)
