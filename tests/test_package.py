"""The package as napari and pip see it: cheap to import, with a manifest that holds."""

import ast
import importlib
import importlib.metadata
import importlib.resources
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_spinalsam
from napari_spinalsam.annotation.document import Annotation

HEAVY = (
    "torch",
    "torchvision",
    "segment_anything",
    "peft",
    "openai",
    "onnxruntime",
    "napari",
    "qtpy",
    "magicgui",
    "PyQt5",
    "PyQt6",
    "PySide6",
)
MANIFEST = Path(napari_spinalsam.__file__).with_name("napari.yaml")


def modules_loaded_by(code: str) -> set[str]:
    """Run `code` in a fresh interpreter; return which heavy packages it loaded."""
    report = f"import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def commands() -> list[str]:
    contributions = PluginManifest.from_file(MANIFEST).contributions
    return [c.python_name for c in contributions.commands or [] if c.python_name]


def test_importing_the_package_loads_no_heavy_package() -> None:
    assert modules_loaded_by("import napari_spinalsam") == set()


@pytest.mark.parametrize(
    "module",
    [
        "api",
        "batch",
        "cli",
        "_reader",
        "_writer",
        "_sample_data",
        "actions",
        "annotation",
        "core",
        "io",
        "model",
    ],
)
def test_headless_modules_load_neither_torch_nor_a_gui(module: str) -> None:
    assert modules_loaded_by(f"import napari_spinalsam.{module}") == set()


def test_manifest_loads_without_importing_the_plugin() -> None:
    loaded = modules_loaded_by(
        "from npe2 import PluginManifest; import sys\n"
        f"PluginManifest.from_file({str(MANIFEST)!r})\n"
        "assert not [m for m in sys.modules if m.startswith('napari_spinalsam')]"
    )
    assert loaded.isdisjoint({"torch", "napari", "PyQt6", "PySide6"})


def test_reader_and_writer_are_found_without_torch_napari_or_qt() -> None:
    code = (
        "from napari_spinalsam._reader import get_reader\n"
        "assert get_reader('notes.txt') is None"
    )
    assert modules_loaded_by(code) == set()


def test_manifest_is_valid_and_of_this_distribution(manifest: PluginManifest) -> None:
    distribution = importlib.metadata.distribution("napari-spinalsam")
    (entry,) = distribution.entry_points.select(group="napari.manifest")

    assert manifest.name == distribution.name == entry.name
    assert entry.value == "napari_spinalsam:napari.yaml"
    manifest.validate_imports()


@pytest.mark.parametrize("python_name", commands())
def test_every_command_of_the_manifest_resolves(python_name: str) -> None:
    module, _, attribute = python_name.partition(":")

    assert callable(getattr(importlib.import_module(module), attribute))


def test_segment_is_the_first_widget_and_in_the_segment_menu(
    manifest: PluginManifest,
) -> None:
    widgets = manifest.contributions.widgets
    menus = manifest.contributions.menus
    assert widgets
    assert menus

    assert widgets[0].display_name == "Segment"
    assert widgets[0].command in [
        getattr(item, "command", None) for item in menus["napari/layers/segment"]
    ]


def test_manifest_names_an_icon_that_ships_and_the_schema_it_was_written_for(
    manifest: PluginManifest,
) -> None:
    assert isinstance(manifest.icon, str)
    package, _, name = manifest.icon.partition(":")
    icon = importlib.resources.files(package).joinpath(name).read_bytes()

    assert icon.startswith(b"\x89PNG")
    assert "schema_version" in MANIFEST.read_text()
    assert {str(each) for each in manifest.categories} >= {"Segmentation", "Annotation"}


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("scan.nii.gz", True),
        ("scan.nii", True),
        ("scan.nrrd", True),
        ("scan.nhdr", True),
        ("scan.mha", True),
        ("scan.mhd", True),
        ("photo.png", False),
        ("stack.tif", False),
        ("table.csv.gz", False),
    ],
)
def test_reader_claims_volumes_only(
    manifest: PluginManifest, path: str, read: bool
) -> None:
    readers = manifest.contributions.readers or []
    patterns = [p for reader in readers for p in reader.filename_patterns]

    assert any(Path(path).match(pattern) for pattern in patterns) is read


def test_version_is_the_one_that_pip_reports() -> None:
    assert napari_spinalsam.__version__ == importlib.metadata.version(
        "napari-spinalsam"
    )


def test_the_citation_is_of_this_version() -> None:
    citation = Path(__file__).parent.parent / "CITATION.cff"
    if not citation.exists():
        pytest.skip("the tests run outside a checkout")

    assert f"\nversion: {napari_spinalsam.__version__}\n" in citation.read_text("utf-8")


def test_manifest_at_the_root_is_the_one_that_ships() -> None:
    link = Path(__file__).parent.parent / "napari.yaml"
    if not (link.is_symlink() and link.exists()):
        pytest.skip("the tests run outside a checkout, or git makes no links here")

    assert link.read_text("utf-8") == MANIFEST.read_text("utf-8")


def test_every_promise_of_the_documentation_has_its_test() -> None:
    root = Path(__file__).parent.parent
    page = root / "docs" / "explanation" / "reliability.md"
    if not page.exists():
        pytest.skip("the tests run outside a checkout")

    rows = [row for row in page.read_text().splitlines() if row.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| Promise")]

    assert promises
    for row in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (root / file).read_text(), f"{file}::{test}"


def test_links_of_the_readme_work_on_pypi_and_lead_to_files_that_exist() -> None:
    root = Path(__file__).parent.parent
    readme = root / "README.md"
    if not readme.exists():
        pytest.skip("the tests run outside a checkout")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    source = project["urls"]["Source Code"]
    raw = source.replace("//github.com", "//raw.githubusercontent.com")
    files = {  # what an address of this project starts with: the file it leads to
        f"{raw}/main/": "{}",
        f"{source}/blob/main/": "{}",
        project["urls"]["Documentation"]: "docs/{}.md",
    }

    links = re.findall(r"\[([^\]]*)\]\(([^)]+)\)", readme.read_text("utf-8"))
    assert links
    for text, link in links:
        assert link.startswith("https://"), f"{text}: relative links are dead on PyPI"
        for start, file in files.items():
            if link.startswith(start):
                path = root / file.format(link.removeprefix(start).rstrip("/"))
                assert path.is_file(), f"{text}: {path}"


def test_every_module_that_the_documentation_names_is_there() -> None:
    root = Path(__file__).parent.parent
    pages = [root / "README.md", root / "CONTRIBUTING.md", *root.glob("docs/**/*.md")]
    if not pages[0].exists():
        pytest.skip("the tests run outside a checkout")
    folders = (root / name for name in ("src", "training", "scripts", "tests"))
    there = {
        f"/{file.relative_to(root).as_posix()}"
        for folder in folders
        for file in folder.rglob("*.*")
    }

    missing = {
        (page.name, named)
        for page in pages
        for named in re.findall(r"`([\w./]+\.(?:py|toml|sh))", page.read_text("utf-8"))
        if named != "pyproject.toml"
        and not any(file.endswith(f"/{named}") for file in there)
    }
    assert not missing


# What only looks.
READERS = {
    "prompts_at",
    "has_pending",
    "prediction_request",
    "live_request",
    "awaits_mask",
    "next_free_structure",
}
# What the model answers, and which model it is: no acts of the user.
ANSWERS = {"show_prediction", "write_masks", "use_model"}
MOVES = {"do", "insert", "undo", "redo", "amend", "attach", "group"}
# A turned image begins with an annotation that takes over the old one's work.
TAKE_OVER = "turn_image"


def test_layers_and_widgets_change_the_document_only_through_the_executor() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(Annotation, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods >= READERS | ANSWERS
    changes = methods - READERS - ANSWERS
    package = Path(napari_spinalsam.__file__).parent
    found, taken_over = [], []
    for path in [*package.glob("layers/**/*.py"), *package.glob("widgets/**/*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and function.name == TAKE_OVER
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            owner = ast.unparse(node.value)
            is_change = (
                owner.endswith(("annotation", "document")) and node.attr in changes
            )
            is_move = owner.endswith("history") and node.attr in MOVES
            if is_change or is_move:
                where = taken_over if id(node) in inside else found
                where.append(f"{path.name}: {ast.unparse(node)}")
    assert found == []
    assert taken_over, "the search finds what it looks for"


def test_what_the_walks_through_the_architecture_name_is_there() -> None:
    page = Path(__file__).parent.parent / "docs" / "development" / "architecture.md"
    if not page.exists():
        pytest.skip("the tests run outside a checkout")
    walks = page.read_text("utf-8").split("## Four walks")[1].split("\n## ")[0]
    named = re.findall(r"`([a-z_.]+):([A-Za-z_.]+)`", walks)
    assert len(named) > 40
    for module, path in named:
        found = importlib.import_module(f"napari_spinalsam.{module}")
        for name in path.split("."):
            assert hasattr(found, name), f"{module}:{path}"
            found = getattr(found, name)
