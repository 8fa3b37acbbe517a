// SPDX-License-Identifier: GPL-2.0

//! What a trampoline of `trampolines.S` calls: the hooks of a chain, one after the other.

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

/// What a trampoline calls: the hooked function's first six arguments, the slot, where the
/// function goes on, and where it returns to.
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

/// What does the work of one hook in a chain, and then that of those behind it.
type Step = unsafe extern "C" fn(*const Node, *const Call);

/// What the library needs to know of a hook, whatever its handler is.
pub(super) struct Header {
    /// Calls that the handler has not seen, since they came from within a handler.
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

// SAFETY: All accesses are of one instruction each, and changes are locked.
unsafe impl Sync for Missings {}

impl Missings {
    /// Counts one. Not by the kernel's atomic type, whose operations are functions that may
    /// be hooked.
    #[inline(always)]
    pub(super) fn increment(&self) {
        // SAFETY: Increments a word that all change by such instructions only.
        unsafe {
            asm!(
                "lock inc qword ptr [{count}]",
                count = in(reg) self.0.get(),
                options(nostack),
            )
        };
    }

    pub(super) fn get(&self) -> u64 {
        // SAFETY: An aligned word is read at once.
        unsafe { self.0.get().read_volatile() }
    }
}

/// A hook: what is counted of it, and its handler.
#[repr(C)]
pub(super) struct Hook<T> {
    pub(super) header: Header,
    pub(super) handler: T,
}

/// What runs the hooks whose handler is of one type.
struct Steps {
    /// For a hook that others follow in its chain.
    next: Step,
    /// For the last hook of a chain. It has no jump behind it.
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

    /// The node of `hook`, which the caller keeps alive as long as a chain has the node.
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
/// Empty, or at least one node with a hook, of which the last one has the step `last` and
/// the others `next`, and behind them [`Node::END`].
pub(super) struct Chain(KVec<Node>);

impl Chain {
    /// Creates a chain with room for this many hooks.
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

    /// Puts `hooks` in the place of what is there. The caller has made room for them.
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

/// What a trampoline works with.
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
    // First: the trampoline reads it.
    enter: UnsafeCell<Enter>,
    // Not the kernel's type: its loads are calls, for which all registers would be saved.
    target: AtomicPtr<c_void>,
}

// SAFETY: `enter` is written and read as a whole, the latter by the trampoline alone.
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
    /// A CPU may still see what `enter` was before, until a grace period of RCU tasks has
    /// passed. That may be the [`Steps::lone`] of the first hook, which reads the first node
    /// of this chain. So until then a chain with one hook must be followed by one that begins
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

    /// Makes the trampoline run its chain by the function that serves any chain.
    pub(super) fn run_many(&self) {
        self.set(self.target.load(Ordering::Relaxed), many);
    }

    fn set(&self, target: *mut c_void, enter: Enter) {
        self.target.store(target, Ordering::Release);
        // SAFETY: The address is valid. An aligned store of a word is one store; it cannot be
        // seen before the target that it is for (x86 keeps the order of stores).
        unsafe { self.enter.get().write_volatile(enter) };
    }

    /// The first node of the chain.
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
                // SAFETY: By the type invariants `first` is a node; whoever takes it from the
                // chain waits until preemption was enabled on every CPU.
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
        // SAFETY: By the type invariants. Preemption is disabled where it is used, and
        // whoever frees the table waits until it was enabled on every CPU.
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

/// What the trampoline of a function with several hooks calls.
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

/// What the trampoline of several functions with different hooks calls.
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

/// What the trampoline of a function with one hook calls.
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

/// Notes in each hook of a slot's chain that it has missed a call.
///
/// "rust-cold": its callers need not save their registers for what hardly ever happens.
#[cold]
#[inline(never)]
extern "rust-cold" fn missed(slot: &EntrySlot, context: Missed) {
    // SAFETY: By the type invariants of `EntrySlot`. `context` keeps preemption disabled, and
    // whoever takes nodes from a chain waits until it was enabled on every CPU.
    unsafe { note_missed(slot.chain()) };
    drop(context);
}

/// Notes in each hook of a chain that it has missed a call. It takes no lock and calls
/// nothing: any function may be hooked, and a call from here would be missed again.
///
/// # Safety
///
/// `node` is the first of a chain that stays as long as preemption is disabled, which it is.
unsafe fn note_missed(mut node: *const Node) {
    // SAFETY: By the function's requirements each node is valid up to the end, whose `hook`
    // is null.
    while let Some(header) = unsafe { (*node).hook.as_ref() } {
        header.missed.increment();
        // SAFETY: The end is another.
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
    // SAFETY: Another hook follows, since the step of the last one is another; it is what its
    // step wants. The call is this function's last act, so that it becomes a jump.
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

/// The step of a chain's end: nothing calls it.
///
/// # Safety
///
/// None.
unsafe extern "C" fn end(_node: *const Node, _call: *const Call) {}
