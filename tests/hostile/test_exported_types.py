"""The types of cxxloop._core, made by hand, half made, subclassed, copied: exceptions, no crashes.

Everything happens in one fresh interpreter, which prints what it is about to do, so that a crash
has a name.
"""

from __future__ import annotations

import pytest

from tests.lifecycle.interpreters import interpret_script

_TOOLS = '''
import copy, faulthandler, pickle, weakref
faulthandler.enable()
from cxxloop import _core
TYPES = [value for value in vars(_core).values() if isinstance(value, type)]
assert len(TYPES) >= 10, TYPES
ARGUMENTS = [(), (None,), (object(),), (1, 2), (None,) * 8, (b"x", "y"), (2**64,), ("\\ud800",)]
passed = raised = 0

def attempt(what, call):
    """Makes a call that may raise whatever it likes, and returns what it returns."""
    global passed, raised
    print(what, flush=True)
    try:
        result = call()
        passed += 1
        return result
    except Exception as exc:
        assert not isinstance(exc, SystemError), exc
        raised += 1
        return None

def shells(cls):
    """Objects of a type that nobody has initialised, by all ways that Python has."""
    def make(base):
        def new():
            return base.__new__(cls)
        return new
    for base in cls.__mro__:
        made = attempt(f"{base.__name__}.__new__({cls.__name__})", make(base))
        if isinstance(made, cls):
            yield made

def use(thing, label):
    """Reads, sets, deletes and calls everything of an object."""
    for name in dir(thing):
        if name in ("__class__", "__init_subclass__", "__subclasshook__", "__new__", "run_forever"):
            continue
        value = attempt(f"{label}.{name}", lambda: getattr(thing, name))
        if callable(value):
            for arguments in ARGUMENTS:
                made = attempt(f"{label}.{name}{arguments!r}", lambda: value(*arguments))
                if hasattr(made, "close") and hasattr(made, "send"):
                    attempt("close", made.close)
        if not name.startswith("__"):
            for other in (None, 1, "x", object()):
                attempt(f"{label}.{name} = {other!r}", lambda: setattr(thing, name, other))
            attempt(f"del {label}.{name}", lambda: delattr(thing, name))
    for function in (repr, str, hash, bool, len, iter, copy.copy, copy.deepcopy, pickle.dumps,
                     weakref.ref, gc.get_referents, sys.getsizeof, vars, dir):
        attempt(f"{function.__name__}({label})", lambda: function(thing))
'''


def _crashless(script: str) -> None:
    ended = interpret_script(_TOOLS + script + "\nprint('passed', passed > 0, raised > 0)")
    assert ended.status == 0, ended.out[-300:] + ended.err[-3000:]
    assert ended.out.endswith("passed True True\n"), ended.out[-300:]


def test_objects_that_were_never_initialised() -> None:
    """uvloop#760"""
    _crashless(
        """
warnings.simplefilter("ignore")
for cls in TYPES + [cxxloop.Loop, cxxloop.Server]:
    for thing in shells(cls):
        use(thing, f"<{cls.__name__}>")
        del thing
        gc.collect()
"""
    )


def test_types_called_with_anything() -> None:
    _crashless(
        """
warnings.simplefilter("ignore")
for cls in TYPES + [cxxloop.Server]:
    for arguments in ARGUMENTS:
        made = attempt(f"{cls.__name__}{arguments!r}", lambda: cls(*arguments))
        if made is not None:
            use(made, f"{cls.__name__}(…)")
        del made
        gc.collect()
"""
    )


def test_methods_of_one_type_on_objects_of_another() -> None:
    _crashless(
        """
warnings.simplefilter("ignore")
loop = cxxloop.Loop()
things = [None, 1, object(), loop, loop.call_soon(int), loop.create_future(), _core.Loop, loop.time]
for cls in TYPES:
    for name, member in vars(cls).items():
        for thing in things:
            if isinstance(thing, cls):
                continue
            if hasattr(type(member), "__get__"):
                attempt(f"{cls.__name__}.{name} of {thing!r}", lambda: member.__get__(thing))
            if callable(member):
                attempt(f"{cls.__name__}.{name}({thing!r})", lambda: member(thing))
                attempt(f"{cls.__name__}.{name}({thing!r}, 1)", lambda: member(thing, 1))
loop.close()
"""
    )


def test_subclasses_with_bad_overrides() -> None:
    _crashless(
        """
def bad(*args, **kwargs):
    raise ArithmeticError("bad override")

names = [name for name in dir(cxxloop.Loop) if not name.startswith("__")]
for name in names + ["__del__", "__repr__", "__hash__", "__eq__", "__bool__", "__getattribute__"]:
    if name in ("_check_closed",):
        continue
    for override in (bad, None, property(bad)):
        cls = type("Bad", (cxxloop.Loop,), {name: override})
        loop = attempt(f"Bad with {name}", cls)
        if loop is None:
            continue
        sys.unraisablehook = lambda it: None
        attempt("call_soon", lambda: loop.call_soon(print, end=""))
        attempt("call_soon", lambda: loop.call_soon(int))
        attempt("call_later", lambda: loop.call_later(0, int))
        attempt("fails", lambda: loop.call_soon(bad))
        attempt("stop", lambda: cxxloop.Loop.call_soon(loop, cxxloop.Loop.stop, loop))
        attempt("run", lambda: cxxloop.Loop.run_forever(loop))
        attempt("close", lambda: cxxloop.Loop.close(loop))
        del loop
        gc.collect()
"""
    )


@pytest.mark.parametrize("running", [False, True])
def test_second_init_of_a_loop(running: bool) -> None:
    """Whatever it does, callbacks that wait and descriptors that are watched survive it."""
    ended = interpret_script(
        f"""
        import faulthandler; faulthandler.enable()
        loop = cxxloop.Loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        handle = loop.call_later(3600, int)
        loop.add_reader(ours, int)
        def again():
            try:
                loop.__init__()
            except RuntimeError as exc:
                print(exc)
        if {running}:
            loop.call_soon(again)
            loop.call_soon(loop.stop)
            loop.run_forever()
        else:
            again()
        handle.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.remove_reader(ours)
        loop.close()
        """
    )
    assert ended.status == 0, ended.err[-2000:]
