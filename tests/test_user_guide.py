"""The examples of the user guide and of the README run, and print what stands there."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "doc" / "user_guide").glob("*.rst"))
WITH_EXAMPLES = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_examples_of_a_page_run_give_what_stands_there(page):
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > 0
    assert result.failed == 0


def test_user_guide_pages_of_estimators_begin_with_an_example():
    without = {page.stem for page in PAGES} - {page.stem for page in WITH_EXAMPLES}
    assert without <= {"autoencoder", "deep_training", "index"}


@pytest.mark.parametrize("name", ["README.md", "doc/index.rst"])
def test_first_example_runs_finds_clusters(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    pattern = (
        r"```python\n(.*?)```" if name.endswith(".md") else r"code-block:: python\n\n(.*?)\n\S"
    )
    (code,) = re.findall(pattern, text, flags=re.DOTALL)
    namespace = {}
    exec(re.sub(r"(?m)^ {3}", "", code) if name.endswith(".rst") else code, namespace)
    labels = namespace["labels"]
    assert len(labels) == 1797
    claimed = re.search(r"# (\d+) clusters", code)
    if claimed:
        assert labels.max() + 1 == int(claimed[1])
