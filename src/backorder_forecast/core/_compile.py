"""One decorator for every compiled kernel: fixed signature, lock released, cached where a folder can be written."""

from collections.abc import Callable
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
    (a read-only image without a home) it refuses to cache: then the kernel is compiled anew in each process.
    """

    def compiled(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        args = () if signature is None else (signature,)
        if fast:
            options["fastmath"] = {"reassoc", "contract"}
        if not allocates:
            options["_nrt"] = False
        if signature is None:
            # only other kernels call it: leaving out the wrapper for Python saves most of its compile time
            options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        try:
            return _placed(numba.njit(*args, cache=True, **options)(function), inline)
        except RuntimeError as problem:
            if "cannot cache" not in str(problem):
                raise
            return _placed(numba.njit(*args, cache=False, **options)(function), inline)

    return compiled


def _placed(compiled: Any, inline: bool) -> Any:
    if inline:
        compiled.targetoptions["forceinline"] = True  # numba's jit does not take it as an option
    return compiled
