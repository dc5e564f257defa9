"""The docstrings of the library's public functions name the errors that they raise."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("core", "pki", "net")
ABSTRACT = "NotImplementedError"


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Yield each public function with its docstring; that of a class stands for its `__init__` as well."""
    for each in node.body:
        if isinstance(each, ast.ClassDef) and not each.name.startswith("_"):
            yield from public_functions(each)
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            if each.name == "__init__":
                yield each, ast.get_docstring(each) or ast.get_docstring(node) or ""
            elif not each.name.startswith("_"):
                yield each, ast.get_docstring(each) or ""


def raised(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the name of each error that the code itself raises and does not catch, functions within it left out."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise) and node.exc:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            yield ast.unparse(error).rpartition(".")[2]
        if isinstance(node, ast.Try):
            caught = {name for handler in node.handlers if handler.type for name in names(handler.type)}
            yield from set(raised(node.body)) - caught
            yield from raised((*node.handlers, *node.orelse, *node.finalbody))
        else:
            yield from raised(ast.iter_child_nodes(node))


def names(caught: ast.expr) -> Iterator[str]:
    """Yield the names of the errors that a handler catches."""
    for each in caught.elts if isinstance(caught, ast.Tuple) else [caught]:
        yield ast.unparse(each).rpartition(".")[2]


def silent(source: str, path: str = "x.py") -> list[str]:
    """Return a sentence for each public function that raises an error which its docstring does not announce."""
    sentences = []
    for function, docstring in public_functions(ast.parse(source, path)):
        for name in sorted(set(raised(ast.iter_child_nodes(function))) - {ABSTRACT}):
            announced = docstring.partition("Raises:")[2]
            # A private function's name is not the error's: that one is made there.
            if not announced or (name[:1].isupper() and f"{name}:" not in announced):
                sentences.append(f"{path}:{function.lineno}: {function.name} raises {name} and does not say when")
    return sentences


class RaisesTests(SynchronousTestCase):
    """Each public function that raises has a section `Raises:` in its docstring."""

    def test_library(self) -> None:
        """So it is in core, pki and net."""
        files = [path for layer in LAYERS for path in sorted((ROOT / "iphttps" / layer).rglob("*.py"))]
        self.assertGreater(len(files), 100)
        broken = [each for path in files for each in silent(path.read_text(), str(path.relative_to(ROOT)))]
        self.assertEqual("", "\n".join(broken))

    def test_rule(self) -> None:
        """The rule finds what is missing, and takes what is there."""
        function = 'def f(x):\n    """Return x.{}"""\n    if not x:\n        raise {}\n    return x\n'
        self.assertEqual(
            [], silent(function.format("\n\n    Raises:\n        ValueError: x is 0.\n    ", "ValueError()"))
        )
        self.assertEqual([], silent(function.format("", "NotImplementedError")))
        self.assertEqual(1, len(silent(function.format("", "ValueError"))))
        self.assertEqual(1, len(silent(function.format(" Raises KeyError.", "errors.ValueError('x')"))))
        self.assertEqual([], silent(function.replace("def f", "def _f").format("", "ValueError")))
        caught = 'def f():\n    """Return."""\n    try:\n        raise {}\n    except {}:\n        raise\n'
        self.assertEqual([], silent(caught.format("a.KeyError(1)", "(ValueError, KeyError) as error")))
        self.assertEqual([], silent(caught.format("KeyError", "KeyError")))
        self.assertEqual(1, len(silent(caught.format("KeyError", "ValueError"))))
        inner = 'def f():\n    """Return a function."""\n    def g():\n        raise KeyError\n    return g\n'
        self.assertEqual([], silent(inner))
        method = 'class C:\n    """A thing."""\n    def __init__(self):\n        raise KeyError\n'
        self.assertEqual(1, len(silent(method)))
