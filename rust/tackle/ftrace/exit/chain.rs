// SPDX-License-Identifier: GPL-2.0

//! The exit hooks of a function, and what a call carries for them from its entry to its exit.
//!
//! A call of a hooked function has a [`Frame`] on its task's stack. Each hook has a [`Record`]
//! in it, at an offset that stays the same as long as the hook is on the function. The record has
//! the ID of the hook. IDs are never used twice. So a hook that came while the call was in
//! progress finds no record of its own, and a record of a hook that is gone is not looked at.

use super::{slot, ExitHandler, Return};
use crate::ftrace::{
    slot::{Header, Hook},
    Call,
};
use core::{
    mem::offset_of,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};
use kernel::prelude::*;
use tackle_core::hooks::room;

/// The room for records in a frame, in bytes; as in `trampolines.S`.
pub(super) const ROOM: usize = 256;

/// The most data of one hook, in bytes.
pub(super) const MAX_DATA: usize = 64;

/// What a trampoline keeps on the stack for a call. The trampoline does not clear it: a record that
/// was not written has the bytes that were there before.
#[repr(C)]
pub(super) struct Frame {
    /// Whether the hooks have seen the call's entry. Else no record is valid.
    pub(super) is_seen: usize,
    records: [u64; ROOM / 8],
    /// Of which the trampoline has set the arguments.
    pub(super) call: Call,
    /// What the function has returned.
    pub(super) value: usize,
    _rdx: usize,
    _rbp: usize,
    _next_ip: usize,
    /// Where the function returns to.
    pub(super) parent_ip: usize,
}

const _: () = {
    // As in `trampolines.S`.
    assert!(offset_of!(Frame, call) + offset_of!(Call, arguments) == 264);
    assert!(offset_of!(Frame, value) == 328 && offset_of!(Frame, _rbp) == 344);
};

/// What a hook keeps for a call.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Record<D> {
    /// The ID of the hook; 0 if the hook does not want to see the exit.
    pub(super) id: u64,
    pub(super) data: D,
}

impl<D> Record<D> {
    /// How many bytes of a frame it takes.
    pub(super) const SIZE: usize = {
        assert!(size_of::<D>() <= MAX_DATA && align_of::<Self>() <= 8);
        size_of::<Self>()
    };
}

/// Returns an ID that was never returned before.
///
/// The first one is random: other users of fprobe do not have it in their data by chance.
pub(super) fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);

    if NEXT.load(Ordering::Relaxed) == 0 {
        // SAFETY: May be called in any context.
        let first = unsafe { crate::bindings::get_random_u64() } | 1;
        // If this fails, another thread has set it.
        let _ = NEXT.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs the handler of one hook, and then those of the hooks behind it in the chain.
type Step<C> = unsafe extern "C" fn(*const ExitNode, *const C, *mut Frame);

/// What a trampoline calls while a hook is the only one on its function.
pub(super) struct Alone {
    pub(super) enter: slot::Step,
    pub(super) leave: slot::Step,
}

trait IsAlone {
    const ALONE: Alone;
}

impl<T: ExitHandler> IsAlone for T {
    const ALONE: Alone = Alone {
        enter: slot::enter_alone::<T>,
        leave: slot::leave_alone::<T>,
    };
}

/// A hook in a chain.
///
/// # Invariants
///
/// - Either `hook` points at the header of a `Hook<T>` that outlives the chain, the functions are
///   those of `T`, and `offset` is that of `size` bytes in a frame's room which are for this
///   node alone.
/// - Or `hook` is null: the end of the chain.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct ExitNode {
    pub(super) entry: Step<Call>,
    pub(super) exit: Step<Return>,
    hook: *const Header,
    pub(super) alone: &'static Alone,
    id: u64,
    offset: usize,
    size: usize,
}

// SAFETY: A node gives access to a `Hook<T>` whose handler is `Send` and `Sync`.
unsafe impl Send for ExitNode {}
// SAFETY: As above.
unsafe impl Sync for ExitNode {}

/// The chain without hooks.
static NO_HOOKS: ExitNode = ExitNode {
    // INVARIANT: The null pointer.
    entry: end,
    exit: end,
    hook: ptr::null(),
    alone: &Alone {
        enter: slot::enter_chain,
        leave: slot::leave_chain,
    },
    id: 0,
    offset: 0,
    size: 0,
};

/// Returns the first node of the chain without hooks.
pub(super) fn no_hooks() -> *mut ExitNode {
    ptr::from_ref(&NO_HOOKS).cast_mut()
}

impl ExitNode {
    /// Creates the node of `hook`. The caller keeps the hook alive as long as a chain has the
    /// node. [`ExitChain::with`] gives it its place.
    pub(super) fn new<T: ExitHandler>(hook: *const Hook<T>) -> Self {
        Self {
            entry: entry::<T>,
            exit: exit::<T>,
            hook: hook.cast(),
            alone: &T::ALONE,
            id: 0,
            offset: 0,
            size: Record::<T::Data>::SIZE,
        }
    }

    /// Returns the address of the hook.
    pub(super) fn hook(&self) -> *const Header {
        self.hook
    }

    /// Returns the record of this node in `frame`.
    ///
    /// # Safety
    ///
    /// `frame` is valid, and `D` is the data of the hook's handler.
    #[inline(always)]
    pub(super) unsafe fn record<D>(&self, frame: *mut Frame) -> *mut Record<D> {
        // SAFETY: By the type invariants this is within the room for records.
        unsafe { (&raw mut (*frame).records).byte_add(self.offset).cast() }
    }
}

impl ExitNode {
    /// Returns whether this is the end of the chain.
    #[inline(always)]
    pub(super) fn is_end(&self) -> bool {
        self.hook.is_null()
    }

    /// Runs the entry handler, and keeps what it returns in the frame.
    ///
    /// # Safety
    ///
    /// The hook's handler is a `T`. `call` is a call of the function, and `frame` the call's.
    #[inline(always)]
    pub(super) unsafe fn run_entry<T: ExitHandler>(&self, call: &Call, frame: *mut Frame) {
        // SAFETY: By the function's requirements.
        let hook = unsafe { &*self.hook.cast::<Hook<T>>() };
        // SAFETY: As above.
        let record = unsafe { self.record::<T::Data>(frame) };
        let id = self.id;
        match hook.handler.entry(call) {
            // SAFETY: The record is this node's.
            Some(data) => unsafe { record.write(Record { id, data }) },
            // SAFETY: As above.
            None => unsafe { (*record).id = 0 },
        }
    }

    /// Runs the exit handler, if the hook has seen the entry of the call and wants that. At the
    /// end of a chain this does nothing.
    ///
    /// # Safety
    ///
    /// The hook's handler is a `T`. `ret` is the return of a call, and `frame` the call's. The
    /// hooks that were in the chain at the entry have written their records.
    #[inline(always)]
    pub(super) unsafe fn run_exit<T: ExitHandler>(&self, ret: &Return, frame: *mut Frame) {
        // SAFETY: By the function's requirements.
        let record = unsafe { self.record::<T::Data>(frame) };
        // SAFETY: By the type invariants it is within the frame.
        // What was there before may be any number, also the ID of the end.
        if unsafe { (*record).id } != self.id || self.is_end() {
            return;
        }
        // SAFETY: By the type invariants, since this is not the end.
        let hook = unsafe { &*self.hook.cast::<Hook<T>>() };
        // SAFETY: A record with the ID of the node was written by the node.
        hook.handler.exit(ret, unsafe { (*record).data });
    }
}

/// The hooks of a function, in the order in which they are run.
///
/// # Invariants
///
/// Empty, or nodes with a hook and then [`NO_HOOKS`]. No two nodes overlap in a frame.
pub(super) struct ExitChain(KVec<ExitNode>);

impl ExitChain {
    pub(super) const EMPTY: Self = Self(KVec::new());

    /// Creates an empty chain with room for this many hooks.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn with_room(hooks: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(hooks + 1, GFP_KERNEL)?))
    }

    /// Creates a copy of `self` with one more hook.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: there is no room in a frame for its record.
    /// - `ENOMEM`.
    pub(super) fn with(&self, node: ExitNode) -> Result<Self> {
        let taken = || self.hooks().iter().map(|node| (node.offset, node.size));
        let offset = room::find(taken, node.size, ROOM).ok_or(ENOSPC)?;
        let mut chain = Self::with_room(self.hooks().len() + 1)?;
        // INVARIANT: `find` returns bytes that no other node has.
        let node = ExitNode {
            id: new_id(),
            offset,
            ..node
        };
        chain.set(Iterator::chain(self.hooks().iter(), [&node]));
        Ok(chain)
    }

    /// Returns the hooks.
    pub(super) fn hooks(&self) -> &[ExitNode] {
        self.0.split_last().map_or(&[], |(_end, hooks)| hooks)
    }

    /// Returns the first node.
    pub(super) fn first(&self) -> *mut ExitNode {
        if self.0.is_empty() {
            no_hooks()
        } else {
            self.0.as_ptr().cast_mut()
        }
    }

    /// Puts `hooks` in the place of what is there. The caller has made room for them.
    pub(super) fn set<'a>(&mut self, hooks: impl Iterator<Item = &'a ExitNode>) {
        self.0.clear();
        for node in Iterator::chain(hooks, [&NO_HOOKS]) {
            let pushed = self.0.push_within_capacity(*node);
            debug_assert!(pushed.is_ok());
        }
    }
}

/// Counts in each hook of a chain that it has missed the entry of a call. It takes no lock and
/// calls nothing: any function may be hooked, and a call from here would be missed again.
///
/// # Safety
///
/// `node` is the first of a chain that stays as long as preemption is disabled, which it is.
pub(super) unsafe fn count_missed_entry(mut node: *const ExitNode) {
    // SAFETY: By the function's requirements each node is valid up to the end, whose `hook`
    // is null.
    while let Some(header) = unsafe { (*node).hook.as_ref() } {
        header.missed.increment();
        // SAFETY: The end is another.
        node = unsafe { node.add(1) };
    }
}

/// As [`count_missed_entry`], for the exit: in each hook that wants to see it.
///
/// # Safety
///
/// As for [`count_missed_entry`]. The hooks have seen the entry, with this frame.
pub(super) unsafe fn count_missed_exit(mut node: *const ExitNode, frame: *mut Frame) {
    // SAFETY: As above.
    while let Some(header) = unsafe { (*node).hook.as_ref() } {
        // SAFETY: Each record begins with its ID, whatever its data is.
        let record = unsafe { (*node).record::<()>(frame) };
        // SAFETY: As above.
        if unsafe { (*record).id == (*node).id } {
            header.missed.increment();
        }
        // SAFETY: As above.
        node = unsafe { node.add(1) };
    }
}

/// Runs the entry handler of a hook, keeps what it returns, and goes on to the next hook.
///
/// # Safety
///
/// `node` is that of a `Hook<T>` in a chain, `call` a call of the function, and `frame` the
/// call's.
unsafe extern "C" fn entry<T: ExitHandler>(
    node: *const ExitNode,
    call: *const Call,
    frame: *mut Frame,
) {
    // SAFETY: By the function's requirements.
    unsafe { (*node).run_entry::<T>(&*call, frame) };
    // SAFETY: A node of the same chain follows. The call is this function's last act, so that it
    // becomes a jump.
    unsafe {
        let next = node.add(1);
        ((*next).entry)(next, call, frame)
    }
}

/// Runs the exit handler of a hook that has seen the entry, and goes on to the next hook.
///
/// # Safety
///
/// `node` is that of a `Hook<T>` in a chain, `ret` the return of a call, and `frame` the
/// call's. The hooks that were in the chain at the entry have written their records.
unsafe extern "C" fn exit<T: ExitHandler>(
    node: *const ExitNode,
    ret: *const Return,
    frame: *mut Frame,
) {
    // SAFETY: By the function's requirements.
    unsafe { (*node).run_exit::<T>(&*ret, frame) };
    // SAFETY: As in `entry`.
    unsafe {
        let next = node.add(1);
        ((*next).exit)(next, ret, frame)
    }
}

/// The step of a chain's end: does nothing.
///
/// # Safety
///
/// None.
unsafe extern "C" fn end<C>(_node: *const ExitNode, _call: *const C, _frame: *mut Frame) {}
