// SPDX-License-Identifier: GPL-2.0

//! Implements the functions that the trampolines of `trampolines.S` call. They run the hooks of a
//! chain, one after the other.

use super::{
    context::{Inside, Missed},
    group::Table,
    Call, EntryHandler,
};
use core::{
    arch::asm,
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{ffi::c_void, prelude::*};

/// The function that a trampoline calls. Its arguments are the hooked function's first six
/// arguments, the slot, the address at which the function continues after its `call __fentry__`,
/// and the address that the function returns to.
pub(super) type Enter = unsafe extern "rust-cold" fn(
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    &EntrySlot,
    usize,
    usize,
);

/// The function that runs one hook of a chain, and then the hooks after it.
type Step = unsafe extern "C" fn(*const Node, *const Call);

/// The part of a hook that does not depend on the type of its handler.
pub(super) struct Header {
    /// The number of calls that the handler has missed, since they came from within a handler.
    pub(super) missed: Missings,
}

impl Header {
    pub(super) fn new() -> Self {
        Self {
            missed: Missings(UnsafeCell::new(0)),
        }
    }
}

/// A counter of missed calls.
pub(super) struct Missings(UnsafeCell<u64>);

// SAFETY: Each access is one instruction, and the instruction that changes the word has a `lock`
// prefix, so concurrent accesses are atomic.
unsafe impl Sync for Missings {}

impl Missings {
    /// Adds one. It does not use the kernel's atomic type, whose operations are functions that may
    /// be hooked.
    #[inline(always)]
    pub(super) fn increment(&self) {
        // SAFETY: Increments a valid word, which is changed only by this instruction.
        unsafe {
            asm!(
                "lock inc qword ptr [{count}]",
                count = in(reg) self.0.get(),
                options(nostack),
            )
        };
    }

    pub(super) fn get(&self) -> u64 {
        // SAFETY: The word is valid. A load of an aligned word is one instruction.
        unsafe { self.0.get().read_volatile() }
    }
}

/// A hook: its counter and its handler.
#[repr(C)]
pub(super) struct Hook<T> {
    pub(super) header: Header,
    pub(super) handler: T,
}

/// The functions that run hooks whose handler has a certain type.
struct Steps {
    /// For a hook that is followed by others in its chain.
    next: Step,
    /// For the last hook of a chain. It returns instead of jumping to a next hook.
    last: Step,
    /// For the only hook of a chain.
    lone: Enter,
}

trait HasSteps {
    const STEPS: Steps;
}

impl<T: EntryHandler> HasSteps for T {
    const STEPS: Steps = Steps {
        next: step::<T>,
        last: last::<T>,
        lone: lone::<T>,
    };
}

/// A hook in a chain.
///
/// # Invariants
///
/// Either `hook` points at the header of a `Hook<T>` that outlives the chain, `steps` is
/// `T::STEPS` and `step` one of them, or `hook` is null: the end of the chain.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Node {
    step: Step,
    hook: *const Header,
    steps: &'static Steps,
}

// SAFETY: A node gives access to a `Hook<T>` whose handler is `Send` and `Sync`.
unsafe impl Send for Node {}
// SAFETY: As above.
unsafe impl Sync for Node {}

impl Node {
    /// Ends a chain.
    const END: Self = Self {
        // INVARIANT: The null pointer.
        step: end,
        hook: ptr::null(),
        steps: &Steps {
            next: end,
            last: end,
            lone: many,
        },
    };

    /// Creates the node of `hook`. The caller keeps the hook alive as long as a chain has the node.
    pub(super) fn new<T: EntryHandler>(hook: *const Hook<T>) -> Self {
        // INVARIANT: A `Hook` begins with its header.
        Self {
            step: T::STEPS.next,
            hook: hook.cast(),
            steps: &T::STEPS,
        }
    }

    /// Returns whether both are nodes of the same hook.
    pub(super) fn is(&self, other: &Self) -> bool {
        ptr::eq(self.hook, other.hook)
    }

    /// Returns the address of the hook.
    pub(super) fn address(&self) -> usize {
        self.hook.addr()
    }

    /// Returns the address of a function that is part of the hook.
    pub(super) fn code(&self) -> usize {
        self.steps.next as *const () as usize
    }
}

/// The chain without hooks.
static NO_HOOKS: Node = Node::END;

/// Returns the first node of the chain without hooks.
pub(super) fn no_hooks() -> *mut Node {
    ptr::from_ref(&NO_HOOKS).cast_mut()
}

/// The hooks of a function, in the order in which they are run.
///
/// # Invariants
///
/// Empty, or nodes with a hook and then [`Node::END`]. The last node with a hook has the step
/// `last`, the others have `next`.
pub(super) struct Chain(KVec<Node>);

impl Chain {
    /// Creates an empty chain with room for this many hooks.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn with_room(hooks: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(hooks + 1, GFP_KERNEL)?))
    }

    /// Returns the hooks.
    pub(super) fn hooks(&self) -> &[Node] {
        self.0.split_last().map_or(&[], |(_end, hooks)| hooks)
    }

    /// Returns the first node.
    pub(super) fn first(&self) -> *mut Node {
        if self.0.is_empty() {
            no_hooks()
        } else {
            self.0.as_ptr().cast_mut()
        }
    }

    /// Replaces the content by `hooks`. The chain has room for them.
    pub(super) fn set<'a>(&mut self, hooks: impl Iterator<Item = &'a Node>) {
        self.0.clear();
        for node in hooks {
            let node = Node {
                step: node.steps.next,
                ..*node
            };
            let pushed = self.0.push_within_capacity(node);
            debug_assert!(pushed.is_ok());
        }
        if let Some(last) = self.0.last_mut() {
            last.step = last.steps.last;
            let pushed = self.0.push_within_capacity(Node::END);
            debug_assert!(pushed.is_ok());
        }
    }
}

/// The data of a trampoline: the function that it calls, and the hooks that this function runs.
///
/// # Invariants
///
/// While the trampoline can be called, one of these holds:
///
/// - `target` points at the nodes of a [`Chain`], and `enter` is [`many`], or the `lone` of
///   the first node.
/// - `target` points at a [`Table`], and `enter` is [`grouped`].
#[repr(C)]
pub(super) struct EntrySlot {
    // At offset 0, where the trampoline reads it.
    enter: UnsafeCell<Enter>,
    // Not the kernel's atomic type: its loads are calls, for which all registers would be saved.
    target: AtomicPtr<c_void>,
}

// SAFETY: `enter` is written by one store. The trampoline reads it by one load, and nothing else
// reads it. The other field is atomic.
unsafe impl Sync for EntrySlot {}

const _: () = assert!(size_of::<EntrySlot>() == 16, "as in trampolines.S");

impl EntrySlot {
    pub(super) const fn new() -> Self {
        Self {
            enter: UnsafeCell::new(many),
            target: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Makes the trampoline run `chain`.
    ///
    /// Until a grace period of RCU tasks has passed, a CPU may still run the old `enter` with the
    /// new chain. The old `enter` may be the [`Steps::lone`] of a hook, which expects this hook in
    /// the first node. So until then a chain of one hook must be followed by a chain that begins
    /// with the same hook.
    pub(super) fn run_chain(&self, chain: &Chain) {
        let enter = match chain.hooks() {
            [hook] => hook.steps.lone,
            _ => many,
        };
        self.set(chain.first().cast(), enter);
    }

    /// Makes the trampoline run, for each function, the chain that `table` has for it.
    pub(super) fn run_table(&self, table: &Table) {
        self.set(ptr::from_ref(table).cast_mut().cast(), grouped);
    }

    /// Makes the trampoline run no hook.
    ///
    /// The caller calls [`EntrySlot::run_many`] before, and waits for a grace period of RCU tasks
    /// between the two.
    pub(super) fn run_nothing(&self) {
        self.set(no_hooks().cast(), many);
    }

    /// Makes the trampoline run its chain by [`many`], which can run any chain.
    pub(super) fn run_many(&self) {
        self.set(self.target.load(Ordering::Relaxed), many);
    }

    fn set(&self, target: *mut c_void, enter: Enter) {
        self.target.store(target, Ordering::Release);
        // SAFETY: The address is valid. An aligned store of a word is one store. x86 keeps the
        // order of stores, so a CPU that reads the new `enter` also reads the new target.
        unsafe { self.enter.get().write_volatile(enter) };
    }

    /// Returns the first node of the chain.
    #[inline(always)]
    fn chain(&self) -> *const Node {
        self.target.load(Ordering::Acquire).cast()
    }

    /// Runs the chain for `call`, or notes in each hook that it has missed the call.
    ///
    /// # Safety
    ///
    /// Called from the trampoline of this slot, or in its place. The slot has a chain.
    #[inline(always)]
    pub(super) unsafe fn run(&self, call: &Call) {
        match Inside::enter() {
            Ok(_inside) => {
                let first = self.chain();
                // SAFETY: By the type invariants `first` is a node. Preemption is disabled here,
                // and a node that was removed from the chain is freed only after preemption was
                // enabled on every CPU.
                unsafe { ((*first).step)(first, call) };
            }
            Err(context) => missed(self, context),
        }
    }

    /// As [`EntrySlot::run`], for a slot that has a table.
    ///
    /// # Safety
    ///
    /// As for [`EntrySlot::run`], but the slot has a table.
    #[inline(always)]
    pub(super) unsafe fn run_grouped(&self, call: &Call) {
        // SAFETY: By the type invariants the target is a table. Preemption is disabled where this
        // closure is called, and the table is freed only after preemption was enabled on every
        // CPU.
        let first = || unsafe { (*self.target.load(Ordering::Acquire).cast::<Table>()).find(call) };
        match Inside::enter() {
            Ok(_inside) => {
                let first = first();
                // SAFETY: As in `run`.
                unsafe { ((*first).step)(first, call) };
            }
            Err(_context) => {
                // SAFETY: As above.
                unsafe { note_missed(first()) };
            }
        }
    }
}

/// Called by the trampoline of a function with several hooks.
///
/// # Safety
///
/// Called by a trampoline alone, with its slot.
unsafe extern "rust-cold" fn many(
    a0: usize,
    a1: usize,
    a2: usize,
    a3: usize,
    a4: usize,
    a5: usize,
    slot: &EntrySlot,
    next_ip: usize,
    parent_ip: usize,
) {
    let call = Call::new([a0, a1, a2, a3, a4, a5], next_ip, parent_ip);
    // SAFETY: By the function's requirements.
    unsafe { slot.run(&call) };
}

/// Called by the trampoline of several functions with different hooks.
///
/// # Safety
///
/// Called by a trampoline alone, with its slot, which has a table.
unsafe extern "rust-cold" fn grouped(
    a0: usize,
    a1: usize,
    a2: usize,
    a3: usize,
    a4: usize,
    a5: usize,
    slot: &EntrySlot,
    next_ip: usize,
    parent_ip: usize,
) {
    let call = Call::new([a0, a1, a2, a3, a4, a5], next_ip, parent_ip);
    // SAFETY: By the function's requirements.
    unsafe { slot.run_grouped(&call) };
}

/// Called by the trampoline of a function with one hook.
///
/// # Safety
///
/// Called by a trampoline alone, with its slot, whose first node is a `Hook<T>`'s.
unsafe extern "rust-cold" fn lone<T: EntryHandler>(
    a0: usize,
    a1: usize,
    a2: usize,
    a3: usize,
    a4: usize,
    a5: usize,
    slot: &EntrySlot,
    next_ip: usize,
    parent_ip: usize,
) {
    match Inside::enter() {
        Ok(_inside) => {
            // SAFETY: By the function's requirements.
            let hook = unsafe { &*(*slot.chain()).hook.cast::<Hook<T>>() };
            let call = Call::new([a0, a1, a2, a3, a4, a5], next_ip, parent_ip);
            hook.handler.entry(&call);
        }
        Err(context) => missed(slot, context),
    }
}

/// Counts in each hook of a slot's chain that it has missed a call.
///
/// "rust-cold": its callers need not save their registers for this rare case.
#[cold]
#[inline(never)]
extern "rust-cold" fn missed(slot: &EntrySlot, context: Missed) {
    // SAFETY: By the type invariants of `EntrySlot`. `context` keeps preemption disabled, and a
    // node that was removed from a chain is freed only after preemption was enabled on every CPU.
    unsafe { note_missed(slot.chain()) };
    drop(context);
}

/// Counts in each hook of a chain that it has missed a call. It takes no lock and calls no
/// function: any function may be hooked, and such a call would be missed again.
///
/// # Safety
///
/// Preemption is disabled. `node` is the first of a chain that is valid as long as it is.
unsafe fn note_missed(mut node: *const Node) {
    // SAFETY: By the function's requirements each node is valid up to the end, whose `hook`
    // is null.
    while let Some(header) = unsafe { (*node).hook.as_ref() } {
        header.missed.increment();
        // SAFETY: This node has a hook, so another node follows: at least the end of the chain.
        node = unsafe { node.add(1) };
    }
}

/// # Safety
///
/// `node` is that of a `Hook<T>` in a chain, and `call` a call of the function.
unsafe extern "C" fn step<T: EntryHandler>(node: *const Node, call: *const Call) {
    // SAFETY: By the function's requirements.
    let (hook, call) = unsafe { (&*(*node).hook.cast::<Hook<T>>(), &*call) };
    hook.handler.entry(call);
    // SAFETY: This is not the last hook of the chain, since that has the step `last`. So a node
    // with a hook follows, and its own step is called with it.
    //
    // The call is the last action of this function, so the compiler makes it a jump.
    unsafe {
        let next = node.add(1);
        ((*next).step)(next, call)
    }
}

/// As [`step`], for the last hook.
///
/// # Safety
///
/// `node` is that of a `Hook<T>` in a chain, and `call` a call of the function.
unsafe extern "C" fn last<T: EntryHandler>(node: *const Node, call: *const Call) {
    // SAFETY: By the function's requirements.
    let (hook, call) = unsafe { (&*(*node).hook.cast::<Hook<T>>(), &*call) };
    hook.handler.entry(call);
}

/// The step of a chain's end. It does nothing.
///
/// # Safety
///
/// None.
unsafe extern "C" fn end(_node: *const Node, _call: *const Call) {}
