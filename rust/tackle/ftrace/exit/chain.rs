// SPDX-License-Identifier: GPL-2.0

//! Implements the chain of exit hooks of a function, and the records that are kept for a call from
//! its entry to its exit.
//!
//! A call of a hooked function has a [`Frame`] on its task's stack. Each hook has a [`Record`]
//! in the frame, at an offset that stays the same as long as the hook is on the function. The
//! record has the ID of the hook. IDs are never used twice. So a hook that was added while the call
//! was in progress finds no record with its ID, and a record of a removed hook is not read.

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

/// The size of the room for records in a frame, in bytes, as in `trampolines.S`.
pub(super) const ROOM: usize = 256;

/// The most data of one hook, in bytes.
pub(super) const MAX_DATA: usize = 64;

/// The data that a trampoline keeps on the stack for a call. The trampoline does not clear it: a
/// record that was not written has the bytes that were on the stack before.
#[repr(C)]
pub(super) struct Frame {
    /// Whether the hooks' entry handlers were run for the call. If not, no record is valid.
    pub(super) is_seen: usize,
    records: [u64; ROOM / 8],
    /// The call. The trampoline sets its arguments.
    pub(super) call: Call,
    /// The register of the return value.
    pub(super) value: usize,
    _rdx: usize,
    _rbp: usize,
    _next_ip: usize,
    /// The address that the function returns to.
    pub(super) parent_ip: usize,
}

const _: () = {
    // As in `trampolines.S`.
    assert!(offset_of!(Frame, call) + offset_of!(Call, arguments) == 264);
    assert!(offset_of!(Frame, value) == 328 && offset_of!(Frame, _rbp) == 344);
};

/// The data of one hook for a call.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Record<D> {
    /// The ID of the hook; 0 if the entry handler has returned [`None`].
    pub(super) id: u64,
    pub(super) data: D,
}

impl<D> Record<D> {
    /// The number of bytes that a record takes in a frame.
    pub(super) const SIZE: usize = {
        assert!(size_of::<D>() <= MAX_DATA && align_of::<Self>() <= 8);
        size_of::<Self>()
    };
}

/// Returns an ID that was never returned before.
///
/// The first ID is random, so that the data of other users of fprobe is unlikely to contain it.
pub(super) fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);

    if NEXT.load(Ordering::Relaxed) == 0 {
        // SAFETY: `get_random_u64()` may be called in any context.
        let first = unsafe { crate::bindings::get_random_u64() } | 1;
        // If this fails, another thread has set the first ID.
        let _ = NEXT.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The function that runs the handler of one hook, and then those of the hooks after it in the
/// chain.
type Step<C> = unsafe extern "C" fn(*const ExitNode, *const C, *mut Frame);

/// The functions that a trampoline calls while its function has only one hook.
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
///   those of `T`, and the `size` bytes at `offset` in a frame's room belong to this node alone.
/// - Or `hook` is null: the node is the end of the chain.
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
    /// node. [`ExitChain::with`] sets the ID and the offset.
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

    /// Runs the entry handler, and stores the data that it returns in the frame.
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
            // SAFETY: The record is within the frame, and belongs to this node alone.
            Some(data) => unsafe { record.write(Record { id, data }) },
            // SAFETY: As above.
            None => unsafe { (*record).id = 0 },
        }
    }

    /// Runs the exit handler, if the hook's entry handler has returned data for this call. At the
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
        // SAFETY: By the type invariants the record is within the frame.
        //
        // A record that was not written may have any number as its ID, also that of the end (0).
        if unsafe { (*record).id } != self.id || self.is_end() {
            return;
        }
        // SAFETY: By the type invariants, since this is not the end.
        let hook = unsafe { &*self.hook.cast::<Hook<T>>() };
        // SAFETY: Only this node writes a record with its ID. So the data was written, as a
        // `T::Data`.
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
    /// - `ENOSPC`: a frame has no room for the record of the hook.
    /// - `ENOMEM`: there is no memory for the chain.
    pub(super) fn with(&self, node: ExitNode) -> Result<Self> {
        let taken = || self.hooks().iter().map(|node| (node.offset, node.size));
        let offset = room::find(taken, node.size, ROOM).ok_or(ENOSPC)?;
        let mut chain = Self::with_room(self.hooks().len() + 1)?;
        // INVARIANT: `find` returns the offset of bytes that belong to no other node.
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

    /// Replaces the content by `hooks`. The chain has room for them.
    pub(super) fn set<'a>(&mut self, hooks: impl Iterator<Item = &'a ExitNode>) {
        self.0.clear();
        for node in Iterator::chain(hooks, [&NO_HOOKS]) {
            let pushed = self.0.push_within_capacity(*node);
            debug_assert!(pushed.is_ok());
        }
    }
}

/// Counts in each hook of a chain that it has missed the entry of a call. It takes no lock and
/// calls no function: any function may be hooked, and such a call would be missed again.
///
/// # Safety
///
/// Preemption is disabled. `node` is the first of a chain that is valid as long as it is.
pub(super) unsafe fn count_missed_entry(mut node: *const ExitNode) {
    // SAFETY: By the function's requirements each node is valid up to the end, whose `hook`
    // is null.
    while let Some(header) = unsafe { (*node).hook.as_ref() } {
        header.missed.increment();
        // SAFETY: This node has a hook, so another node follows: at least the end of the chain.
        node = unsafe { node.add(1) };
    }
}

/// Counts in each hook of a chain that it has missed the exit of a call, if its entry handler has
/// returned data for this call.
///
/// # Safety
///
/// As for [`count_missed_entry`]. The entry handlers were run for the call, with this frame.
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

/// Runs the entry handler of a hook, stores the data that it returns, and jumps to the next hook.
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
    // SAFETY: This node has a hook, so another node of the same chain follows: at least the end.
    //
    // The call is the last action of this function, so the compiler makes it a jump.
    unsafe {
        let next = node.add(1);
        ((*next).entry)(next, call, frame)
    }
}

/// Runs the exit handler of a hook as [`ExitNode::run_exit`] does, and jumps to the next hook.
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
