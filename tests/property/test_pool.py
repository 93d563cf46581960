"""The lending core under Hypothesis: any order of borrowing, leaving, dying and late messages keeps
the invariants of src/pool/pool.h, and a failing history is shrunk to its shortest form.

WEIRPOOL_TEST names the shared library that the build makes of the core and its rig."""

import ctypes
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

WAITING, LENT = 0, 1
MS = 1_000_000
LIB = ctypes.CDLL(os.environ["WEIRPOOL_TEST"])


class Options(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint) for n in ("size_min", "size_max", "pinned_max", "waiters_max")]
    _fields_ += [
        (n, ctypes.c_int64)
        for n in ("acquire_timeout", "idle_timeout", "lifetime_max", "validate_after", "hold_max",
                  "fair_within", "open_backoff_min", "open_backoff_max")
    ]
    _fields_ += [("reserve_size", ctypes.c_uint), ("opening_max", ctypes.c_uint),
                 ("reserve_after", ctypes.c_int64)]


P, I, B = ctypes.c_void_p, ctypes.c_int, ctypes.c_bool
for name, result, *args in [
    ("rig_new", P, ctypes.POINTER(Options), ctypes.c_uint), ("rig_free", None, P),
    ("rig_check", ctypes.c_char_p, P), ("rig_check_quiescent", ctypes.c_char_p, P),
    ("rig_acquire", I, P, ctypes.c_uint), ("rig_waiter_state", I, P, I),
    ("rig_conn_of", I, P, I), ("rig_release", None, P, I, B), ("rig_withdraw", None, P, I),
    ("rig_pin", I, P, I), ("rig_unpin", None, P, I), ("rig_waiters", I, P), ("rig_conns", I, P),
    ("rig_die", B, P, I), ("rig_pending", I, P), ("rig_complete", None, P, I, B),
    ("rig_advance", None, P, ctypes.c_int64), ("rig_pause", None, P, B), ("rig_reconnect", None, P),
]:
    function = getattr(LIB, name)
    function.restype, function.argtypes = result, args


class Pool(RuleBasedStateMachine):
    rig = None

    @initialize(size=st.integers(1, 4), low=st.integers(0, 2), pinned=st.integers(0, 2),
                shards=st.integers(1, 4), validate=st.booleans(), idle=st.booleans(),
                reserve=st.integers(0, 2), opening=st.integers(0, 2))
    def start(self, size, low, pinned, shards, validate, idle, reserve, opening):
        self.shards = shards
        options = Options(
            size_min=min(low, size), size_max=size, pinned_max=pinned, waiters_max=6,
            idle_timeout=20 * MS * idle, validate_after=5 * MS * validate, fair_within=MS,
            open_backoff_min=2 * MS, open_backoff_max=20 * MS, reserve_size=reserve,
            opening_max=opening, reserve_after=5 * MS)
        self.rig = LIB.rig_new(ctypes.byref(options), shards)
        assert self.rig

    def some(self, state, pick):
        """The pick-th borrower in this state, or None."""
        found = [w for w in range(LIB.rig_waiters(self.rig))
                 if LIB.rig_waiter_state(self.rig, w) == state]
        return found[pick % len(found)] if found else None

    @rule(shard=st.integers(0, 3))
    def acquire(self, shard):
        assert LIB.rig_acquire(self.rig, shard % self.shards) >= 0

    @rule(pick=st.integers(0, 9), reusable=st.booleans())
    def release(self, pick, reusable):
        holder = self.some(LENT, pick)
        if holder is not None:
            LIB.rig_release(self.rig, holder, reusable)

    @rule(pick=st.integers(0, 9))
    def withdraw(self, pick):
        waiter = self.some(WAITING, pick)
        if waiter is not None:
            LIB.rig_withdraw(self.rig, waiter)

    @rule(pick=st.integers(0, 9), pin=st.booleans())
    def pin_or_unpin(self, pick, pin):
        holder = self.some(LENT, pick)
        if holder is not None:
            (LIB.rig_pin if pin else LIB.rig_unpin)(self.rig, holder)

    @rule(pick=st.integers(0, 99), good=st.booleans())
    def complete(self, pick, good):
        if LIB.rig_pending(self.rig):
            LIB.rig_complete(self.rig, pick % LIB.rig_pending(self.rig), good)

    @rule(pick=st.integers(0, 99))
    def die(self, pick):
        if LIB.rig_conns(self.rig):
            LIB.rig_die(self.rig, pick % LIB.rig_conns(self.rig))

    @rule(by=st.sampled_from([1, MS // 2, MS + 1, 6 * MS, 30 * MS]))
    def advance(self, by):
        LIB.rig_advance(self.rig, by)

    @rule(paused=st.booleans())
    def pause(self, paused):
        LIB.rig_pause(self.rig, paused)

    @rule()
    def reconnect(self):
        LIB.rig_reconnect(self.rig)

    @invariant()
    def holds(self):
        if self.rig:
            assert LIB.rig_check(self.rig) is None, LIB.rig_check(self.rig)

    def teardown(self):
        if not self.rig:
            return
        LIB.rig_pause(self.rig, False)
        error = LIB.rig_check_quiescent(self.rig)
        assert error is None, error
        LIB.rig_free(self.rig)


Pool.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None,
                                  suppress_health_check=list(HealthCheck))
TestPool = Pool.TestCase
