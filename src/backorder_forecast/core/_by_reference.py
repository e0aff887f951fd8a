"""Named tuples of arrays handed from kernel to kernel as one address.

A kernel of many parts reads and writes dozens of arrays. Numba hands each of them over, at every call, as some eight
numbers; that takes longer than what most parts do, most of the time it takes to compile them, and all registers.
`by_reference` puts the tuple into memory once; from there on a part takes what it needs of it. Attributes are read as
before; none can be set.
"""

from hashlib import blake2b
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.extending import models, register_model
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic


class ByReference(types.Type):
    """The type of a named tuple somewhere in memory."""

    def __init__(self, of: Any) -> None:
        self.of = of
        # short, because it is compared and written out thousands of times
        super().__init__(name=f"{of.instance_class.__name__}_{blake2b(of.name.encode(), digest_size=8).hexdigest()}")


@register_model(ByReference)
class _Address(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, cgutils.voidptr_t)


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = ByReference

    def generic_resolve(self, kind: Any, name: str) -> Any:
        """The type of a member."""
        return kind.of.types[kind.of.fields.index(name)] if name in kind.of.fields else None


@lower_getattr_generic(ByReference)
def _read(context: Any, builder: Any, kind: Any, address: Any, name: str) -> Any:
    tuple_at = builder.bitcast(address, context.get_value_type(kind.of).as_pointer())
    return _load(builder, cgutils.gep_inbounds(builder, tuple_at, 0, kind.of.fields.index(name)))


def _load(builder: Any, at: Any) -> Any:
    """Each number by itself, so that only those that are used are read, and once: none ever changes."""
    kind = at.type.pointee
    if isinstance(kind, ir.Aggregate):
        out = ir.Constant(kind, ir.Undefined)
        for i in range(len(kind.elements)):
            out = builder.insert_value(out, _load(builder, cgutils.gep_inbounds(builder, at, 0, i)), i)
        return out
    found = builder.load(at)
    found.set_metadata("invariant.load", builder.module.add_metadata([]))
    return found


@intrinsic
def _by_reference(context: Any, given: Any) -> Any:
    def put(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if context.enable_nrt:
            raise TypeError("by_reference is for kernels that allocate nothing: it counts no references")
        return builder.bitcast(cgutils.alloca_once_value(builder, args[0]), cgutils.voidptr_t)

    return ByReference(given)(given), put


by_reference: Any = _by_reference
"""In a kernel: the named tuple in memory, for as long as the kernel runs."""
