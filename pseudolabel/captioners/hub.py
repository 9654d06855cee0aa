"""Models on the Hugging Face Hub: a name and a revision to a commit, each failure told apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pseudolabel.captioners.refusals import NO_HUB_HINT, refuse_pickle
from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_CONVERTER = "SFconvertbot"  # the Hub's own account, which opens pull requests with safetensors


def find_on_hub(name: str, revision: str | None, *, is_default: bool) -> tuple[str, Path]:
    """The commit that has the model's safetensors, and its config.json in the local cache.

    A branch, a tag and `refs/pr/N` are resolved to a commit. Where no revision is asked for and
    the main branch has pickled weights only, the Hub's own conversion of those same weights is
    taken, if there is one; so a bare name and the commit in a manifest load the same files.

    Raises:
        CaptionerError: If there is no such model or revision, access is refused, the Hub cannot
            be reached and nothing is cached, or there are no safetensors weights.
    """
    config = _download(name, "config.json", revision, is_default=is_default)
    if config is None:
        raise CaptionerError(
            f"--model {name}: the repository has no config.json",
            hint="a transformers model that describes images",
        )
    if _has_safetensors(name, _commit(config)):
        return _commit(config), config
    converted = None if revision else _find_conversion(name, _commit(config))
    if converted is None:
        raise refuse_pickle(name, hint=_conversion_hint(name))
    config = _download(name, "config.json", converted, is_default=is_default)
    assert config is not None, "the conversion was found by its files"
    return _commit(config), config


def find_extra(name: str, file: str, commit: str) -> Path | None:
    """A small file that a repository may have beside its model, in the local cache.

    None where it has none; and offline, where the cache has none.

    Raises:
        CaptionerError: If the Hub cannot be asked, and is not known to be out of reach.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    cached = try_to_load_from_cache(name, file, revision=commit)
    if isinstance(cached, str):
        return Path(cached)
    return None if constants.HF_HUB_OFFLINE else _download(name, file, commit, is_default=False)


def find_file(name: str, file: str, revision: str | None) -> tuple[str, Path]:
    """The commit of a revision, and one file of it in the local cache, downloaded if need be.

    Raises:
        CaptionerError: If there is no such repository, revision or file, access is refused, or
            the Hub cannot be reached and the cache does not have it.
    """
    path = _download(name, file, revision, is_default=False)
    if path is None:
        raise CaptionerError(
            f"--model {name}: the repository has no {file}",
            hint=f"a file of https://huggingface.co/{name}/tree/{revision or 'main'}",
        )
    return path.parents[file.count("/")].name, path


def _commit(path: Path) -> str:
    # The cache lays files out as .../snapshots/COMMIT/FILE.
    return path.parent.name


def _download(name: str, file: str, revision: str | None, *, is_default: bool) -> Path | None:
    """A file of a repository, from the cache or the Hub; None where the repository lacks it."""
    import httpx2
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except errors.GatedRepoError as error:
        raise CaptionerError(
            f"--model {name}: access is gated, and not granted to you",
            hint=f"ask on https://huggingface.co/{name}, then `hf auth login` or HF_TOKEN",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CaptionerError(
            f"--model {name}: no such model on the Hub, or a private one",
            hint="check the name; for a private model `hf auth login` or HF_TOKEN",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CaptionerError(
            f"--model {name}@{revision}: no such revision",
            hint=f"a branch, tag or commit of https://huggingface.co/{name}",
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise _unreachable(name, is_default=is_default) from error
    except errors.EntryNotFoundError:
        return None
    except errors.HFValidationError as error:
        raise CaptionerError(
            f"--model {name}: neither a folder nor a name on the Hub", hint=NO_HUB_HINT
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refused(name, error.response.status_code) from error
    except (httpx2.HTTPError, OSError) as error:
        raise _unreachable(name, is_default=is_default) from error


def _unreachable(name: str, *, is_default: bool) -> CaptionerError:
    which = "the default captioner" if is_default else "--model"
    return CaptionerError(
        f"{which} {name}: the Hub cannot be reached, and its cache does not have the model",
        hint=NO_HUB_HINT,
    )


def _refused(name: str, status: int) -> CaptionerError:
    hint = "`hf auth login` or HF_TOKEN" if status in (401, 403) else "try again in a while"
    return CaptionerError(f"--model {name}: the Hub answered {status}", hint=hint)


def _has_safetensors(name: str, commit: str) -> bool:
    import httpx2
    from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache

    if any(
        isinstance(try_to_load_from_cache(name, file, revision=commit), str) for file in _WEIGHTS
    ):
        return True
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        return any(HfApi().file_exists(name, file, revision=commit) for file in _WEIGHTS)
    except (errors.HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise _unreachable(name, is_default=False) from error


def _find_conversion(name: str, commit: str) -> str | None:
    """The revision of the Hub's conversion of this commit's pickled weights, where it has one."""
    import httpx2
    from huggingface_hub import HfApi, constants, errors

    if constants.HF_HUB_OFFLINE:
        return None
    api = HfApi()
    try:
        pickled = _pickled_weights(api, name, commit)
        for pull in api.get_repo_discussions(
            name, author=_CONVERTER, discussion_type="pull_request", discussion_status="open"
        ):
            reference = f"refs/pr/{pull.num}"
            if (
                pull.author == _CONVERTER
                and _has_safetensors(name, reference)
                and _pickled_weights(api, name, reference) == pickled
            ):
                return reference
    except (errors.HfHubHTTPError, httpx2.HTTPError, OSError):
        return None
    return None


def _pickled_weights(api: HfApi, name: str, revision: str) -> dict[str, str]:
    """Checksums of the pickled weights: equal ones say that a conversion is of these weights."""
    from huggingface_hub.hf_api import RepoFile

    return {
        entry.path: entry.lfs.sha256
        for entry in api.list_repo_tree(name, revision=revision)
        if isinstance(entry, RepoFile) and entry.lfs and entry.path.endswith((".bin", ".pt"))
    }


def _conversion_hint(name: str) -> str:
    """Names the cached revisions that do have safetensors, which offline cannot be looked up."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")
    cached = sorted(
        {path.parent.name for file in _WEIGHTS for path in folder.glob(f"snapshots/*/{file}")}
    )
    if cached:
        return f"the cache has them at another revision: --model {name}@{cached[0]}"
    return f"a revision that has them (--model {name}@refs/pr/N), or save_pretrained to a folder"
