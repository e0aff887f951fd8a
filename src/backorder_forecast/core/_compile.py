"""One decorator for every compiled kernel: fixed signature, lock released, cached where a folder can be written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(
    signature: Any = None, *, allocates: bool = True, fast: bool = False, inline: bool = False
) -> Callable[[F], F]:
    """Compile ahead with `signature`; without one, the function is a part inlined into other kernels.

    Kernels that allocate nothing say so: counting references to the arrays of a large problem, at every access,
    costs forty times what the queue day itself does. `fast` lets sums be added up in another order, as vectors of
    numbers want it; the order is the compiler's, and the same in every run. `inline` puts a part that every SKU and day
    goes through into its callers, however long the compiler finds it: to call it would hand over every array of the
    problem, which costs several times what is done with them.

    Numba keeps the machine code beside the module, else in the user's cache folder. Where neither can be written
    (a read-only image without a home) it refuses to cache: then the kernel is compiled anew in each process. The code
    kept is of a kernel with its parts, so it is good as long as no module of this folder changes.
    """

    def compiled(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if fast:
            options["fastmath"] = {"reassoc", "contract"}
        if not allocates:
            options["_nrt"] = False
        if signature is None:
            # only other kernels call it: leaving out the wrapper for Python saves most of its compile time
            options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        try:
            return _compiled(_placed(numba.njit(cache=True, **options)(function), inline), signature)
        except RuntimeError as problem:
            if "cannot cache" not in str(problem):
                raise
            return _compiled(_placed(numba.njit(cache=False, **options)(function), inline), signature)

    return compiled


def _placed(compiled: Any, inline: bool) -> Any:
    if inline:
        compiled.targetoptions["forceinline"] = True  # numba's jit does not take it as an option
    return compiled


def _compiled(dispatcher: Any, signature: Any) -> Any:
    """Compile for the one signature that it will be called with, or take what was kept."""
    if signature is not None:
        kept = getattr(dispatcher._cache, "_cache_file", None)
        if kept is not None:
            # numba looks at the file of the kernel only, but parts of other modules are compiled into it
            kept._source_stamp = (kept._source_stamp, _parts_stamp())
        dispatcher.compile(signature)
        dispatcher.disable_compile()
    return dispatcher


def _parts_stamp() -> tuple[tuple[str, float, int], ...]:
    """Name, time and size of every module that a kernel may take parts from."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((x.name, x.stat().st_mtime, x.stat().st_size) for x in files)
