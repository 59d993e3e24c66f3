from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import InvalidRequest
from shared.music.catalog import Catalog, Model
from shared.settings import Settings

ALIASES = {"small": "tiny", "medium": "tiny"}


@pytest.fixture
def catalog(make_settings: Callable[..., Settings]) -> Catalog:
    return Catalog(make_settings(model_checkpoints={"mine": "/data/mine", "small": "/data/small"}))


@pytest.mark.parametrize("asked", ["medium", "musicgen-medium", "facebook/musicgen-medium", " medium "])
def test_three_ways_of_writing_a_model_name_one_entry(catalog: Catalog, asked: str) -> None:
    assert catalog.choose(asked, melody=False).model.checkpoint == "facebook/musicgen-medium"


def test_a_revision_may_follow_the_name(catalog: Catalog) -> None:
    choice = catalog.choose("facebook/musicgen-small@abc123", melody=False)
    assert (choice.model.name, choice.revision) == ("small", "abc123")


def test_configuration_adds_and_overrides_entries(catalog: Catalog) -> None:
    assert catalog.choose("mine", melody=False).model.checkpoint == "/data/mine"
    small = catalog.choose("small", melody=False).model
    assert (small.checkpoint, small.size) == ("/data/small", "300M")


def test_an_unknown_model_is_refused_with_the_known_names(catalog: Catalog) -> None:
    with pytest.raises(InvalidRequest, match=r"unknown model; send one of: .*tiny"):
        catalog.choose("huge", melody=False)


@pytest.mark.parametrize(
    ("asked", "sings"), [("small", "melody"), ("medium", "melody"), ("large", "melody-large"), ("tiny", "tiny")]
)
def test_a_melody_goes_to_the_sibling_that_can_follow_it(catalog: Catalog, asked: str, sings: str) -> None:
    assert catalog.choose(asked, melody=True).model.name == sings


def test_a_melody_for_a_model_without_a_sibling_is_refused(catalog: Catalog) -> None:
    with pytest.raises(InvalidRequest, match="takes no melody"):
        catalog.choose("mine", melody=True)


def test_an_alias_redirects_every_way_of_writing_the_name(make_settings: Callable[..., Settings]) -> None:
    catalog = Catalog(make_settings(model_aliases=ALIASES))
    for asked in ("small", "musicgen-small", "facebook/musicgen-medium"):
        assert catalog.choose(asked, melody=True).model.name == "tiny"


def test_a_model_that_only_a_worker_announces_is_known(catalog: Catalog) -> None:
    announced = Model("folk-finetune", "/data/folk", melody=True)
    assert catalog.choose("folk-finetune", melody=True, others=[announced]).model == announced


def test_a_worker_may_be_pinned_to_a_name_a_hub_id_or_a_folder(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "my-finetune"
    folder.mkdir()
    assert catalog.for_worker("melody").checkpoint == "facebook/musicgen-melody"
    assert catalog.for_worker("facebook/musicgen-large").name == "large"
    assert catalog.for_worker("someone/their-finetune").checkpoint == "someone/their-finetune"
    assert catalog.for_worker(str(folder)) == Model("my-finetune", str(folder))


def test_what_a_live_worker_says_of_an_operators_own_model_counts(catalog: Catalog) -> None:
    announced = [Model("mine", "/data/mine", melody=True), Model("medium", "/data/odd", melody=True)]
    assert catalog.choose("mine", melody=True, others=announced).model.melody
    assert catalog.choose("medium", melody=True, others=announced).model.name == "melody"
