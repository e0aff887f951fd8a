"""One decorator for every compiled kernel: fixed signature, lock released, cached where a folder can be written."""

import contextlib
import functools
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompilerBase, DefaultPassBuilder, Flags

F = TypeVar("F", bound=Callable[..., Any])
_ONE_AT_A_TIME = threading.Lock()


class _Code(JITCodeLibrary):  # type: ignore[misc]
    """The code of a part: left as it is until a kernel takes it in, and not turned into machine code by itself."""

    def _optimize_functions(self, code: Any) -> None:
        pass

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    @property
    def codegen(self) -> Any:
        """The generator, but that there is nothing to set in code that never runs by itself."""
        return _Generator(self._codegen)


class _Generator:
    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing."""


class _Flags(Flags):  # type: ignore[misc]
    """Numba's flags, soon compared: it looks them up tens of thousands of times a kernel, each time all forty."""

    _hash = hash(Flags())  # it is made of the names of flags only

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Flags) and self._values == other._values:
            return True
        return bool(super().__eq__(other))


class _Whole(Compiler):  # type: ignore[misc]
    """Numba's compiler of a kernel."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags = _Flags(self.state.flags)


class _Part(CompilerBase):  # type: ignore[misc]
    """Numba's own passes for what is only a part of kernels: compiling each by itself as well takes twice the time."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags = _Flags(self.state.flags)

    def define_pipelines(self) -> list[Any]:
        """All passes without Python objects."""
        self.state.library = _Code(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        passes: list[Any] = [DefaultPassBuilder.define_nopython_pipeline(self.state)]
        return passes


def kernel(
    signature: Any = None, *, allocates: bool = True, fast: bool = False, inline: bool = False, lazy: bool = False
) -> Callable[[F], F]:
    """Compile ahead with `signature`; without one, the function is a part inlined into other kernels.

    Kernels that allocate nothing say so: counting references to the arrays of a large problem, at every access,
    costs forty times what the queue day itself does. `fast` lets sums be added up in another order, as vectors of
    numbers want it; the order is the compiler's, and the same in every run. `inline` puts a part that every SKU and day
    goes through into its callers, however long the compiler finds it: to call it would hand over every array of the
    problem, which costs several times what is done with them. `lazy` waits with compiling until the kernel is called;
    no other kernel can call it.

    Numba keeps the machine code beside the module, else in the user's cache folder. Where neither can be written
    (a read-only image without a home) it refuses to cache: then the kernel is compiled anew in each process. The code
    kept is of a kernel with its parts, so it is good as long as no module of this folder changes.
    """

    def compiled(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "pipeline_class": _Whole}
        options["no_cfunc_wrapper"] = True  # nobody calls kernels from C
        if fast:
            options["fastmath"] = {"reassoc", "contract"}
        if not allocates:
            options["_nrt"] = False
        if signature is None:
            # only other kernels call it: leaving out the wrapper for Python saves most of its compile time
            options |= {"no_cpython_wrapper": True, "pipeline_class": _Part}
        try:
            dispatcher = _placed(numba.njit(cache=signature is not None, **options)(function), inline)
        except RuntimeError as problem:
            if "cannot cache" not in str(problem):
                raise
            dispatcher = _placed(numba.njit(cache=False, **options)(function), inline)
        return _when_called(dispatcher, signature) if lazy else _compiled(dispatcher, signature)

    return compiled


def _placed(compiled: Any, inline: bool) -> Any:
    if inline:
        compiled.targetoptions["forceinline"] = True  # numba's jit does not take it as an option
    return compiled


def _when_called(dispatcher: Any, signature: Any) -> Any:
    @functools.wraps(dispatcher.py_func)
    def call(*args: Any) -> Any:
        with _ONE_AT_A_TIME:
            if not dispatcher.signatures:
                _compiled(dispatcher, signature)
        return dispatcher(*args)

    return call


def _compiled(dispatcher: Any, signature: Any) -> Any:
    """Compile for the one signature that it will be called with, or take what was kept."""
    if signature is not None:
        kept = getattr(dispatcher._cache, "_cache_file", None)
        if kept is not None:
            # numba looks at the file of the kernel only, but parts of other modules are compiled into it
            kept._source_stamp = (kept._source_stamp, _parts_stamp())
        with _no_garbage_collected():
            dispatcher.compile(signature)
        dispatcher.disable_compile()
    return dispatcher


@contextlib.contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Compiling makes millions of objects that are all needed to its end: to look for garbage among them, again and
    again, takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parts_stamp() -> tuple[tuple[str, float, int], ...]:
    """Name, time and size of every module that a kernel may take parts from."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((x.name, x.stat().st_mtime, x.stat().st_size) for x in files)
