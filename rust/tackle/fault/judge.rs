// SPDX-License-Identifier: GPL-2.0

//! Finds out for each call of a hooked function which fault point it is at, and whether it fails.
//!
//! Calls come in any context, also in reclaim and in interrupts. So the handler takes no lock,
//! allocates nothing and prints nothing.

use super::{
    campaign::Shared,
    names::{until_nul, Owner},
    prepare::{Action, Function},
};
use crate::{
    bindings,
    filter::Filter,
    ftrace::{Call, ManyHandler, Verdict},
    task,
};
use core::sync::atomic::Ordering::Relaxed;
use kernel::sync::Arc;
use tackle_core::fault::{Context, Operation, Selection, Sight, MAX_MODULES, MODULE_NAME};

/// How many return addresses are read: those of the handler and of ftrace's trampoline come first.
const ROOM: usize = 40;

/// Which calls are looked at.
pub(super) struct Calls {
    modules: [[u8; MODULE_NAME]; MAX_MODULES],
    tree: Option<Filter>,
    syscall: Option<u32>,
    device: Option<(u32, u32)>,
    operation: Operation,
    context: Context,
}

impl Calls {
    pub(super) fn new(selection: &Selection<'_>, tree: Option<Filter>) -> Self {
        let mut modules = [[0; MODULE_NAME]; MAX_MODULES];
        for (to, name) in modules.iter_mut().zip(selection.modules()) {
            // `Selection` has checked that a NUL remains.
            for (to, from) in to.iter_mut().zip(name.bytes()) {
                *to = if from == b'-' { b'_' } else { from };
            }
        }
        Self {
            modules,
            tree,
            syscall: selection.syscall,
            device: selection.device,
            operation: selection.operation,
            context: selection.context,
        }
    }

    fn has_modules(&self) -> bool {
        self.modules[0][0] != 0
    }

    fn has_module(&self, name: &[u8; MODULE_NAME]) -> bool {
        self.modules
            .iter()
            .any(|other| other[0] != 0 && until_nul(other) == until_nul(name))
    }

    /// Returns whether the call may be looked at, as far as its stack does not matter.
    fn has(&self, call: &Call, function: &Function, context: u32) -> bool {
        if let Some(filter) = &self.tree {
            if context != 0 || !filter.passes(call) {
                return false;
            }
        }
        if let Some(number) = self.syscall {
            // SAFETY: Looks at the current task.
            if i64::from(unsafe { bindings::current_syscall() }) != i64::from(number) {
                return false;
            }
        }
        if !function.is_bio() {
            return true;
        }
        let (Some(bio), Some((major, minor))) = (bio(call), self.device) else {
            return false;
        };
        let operation = match self.operation {
            Operation::Any => 0,
            Operation::Read => 1,
            Operation::Write => 2,
            Operation::Flush => 3,
            Operation::Discard => 4,
        };
        // SAFETY: It is the bio that the function was called with.
        unsafe { bindings::fault_is_bio(bio, major, minor, operation) }
    }
}

/// The first argument of a function for bios.
fn bio(call: &Call) -> Option<*mut core::ffi::c_void> {
    // CAST: An address.
    call.argument(0).map(|bio| bio as *mut core::ffi::c_void)
}

/// The handler of all hooks of a campaign.
pub(super) struct Judge {
    pub(super) shared: Arc<Shared>,
    pub(super) calls: Calls,
}

// SAFETY: `prepare.rs` has compared the value that a function returns with its type, and callers
// of functions with a rule have to expect it; for others the user vouches, who is root. The
// function for bios has the prototype of `submit_bio_noacct()`.
unsafe impl ManyHandler for Judge {
    #[inline]
    fn is_idle(&self) -> bool {
        !self.shared.plan.is_armed()
    }

    fn missed(&self) {
        self.shared.plan.miss();
    }

    fn entry(&self, call: &Call) -> Verdict {
        let shared = &*self.shared;
        // `callback` has asked with preemption enabled. From here on a command that disarms waits
        // for this handler, so the points are not forgotten while it adds one.
        if self.is_idle() {
            return Verdict::GoOn;
        }
        if shared.own_task.load(Relaxed) == task::current_address() {
            return Verdict::GoOn;
        }
        let Some((index, function)) = shared.function_at(call.ip()) else {
            self.missed();
            return Verdict::GoOn;
        };
        // CAST: A `gfp_t` has 32 bits; so has an order.
        let argument = |index: Option<usize>| Some(call.argument(index?)? as u32);
        let gfp = argument(function.gfp);
        if gfp.is_some_and(|gfp| gfp & bindings::GFP_NOFAIL != 0) {
            return Verdict::GoOn;
        }
        let new_size = function.new_size.and_then(|index| call.argument(index));
        if new_size == Some(0) {
            // Rust's allocators free in this way.
            return Verdict::GoOn;
        }
        // SAFETY: Reads the preemption count.
        let context = unsafe { bindings::fault_context() };
        if !self.calls.has(call, function, context) {
            return Verdict::GoOn;
        }
        let mut room = [0; ROOM];
        let Some(frames) = stack(call, &mut room) else {
            self.missed();
            return Verdict::GoOn;
        };
        let by_module = self.calls.has_modules() && !function.is_bio();
        let Some(site) = self.site(frames, by_module) else {
            return Verdict::GoOn;
        };
        let callers = if by_module {
            frames.get(..site).unwrap_or_default()
        } else {
            frames
        };
        if !function.is_bio() && shared.is_in_allocator(callers) {
            return Verdict::GoOn;
        }
        let owner = |frame: &usize| shared.map.owner(*frame);
        let id = match self.calls.context {
            Context::Site => frames
                .get(site)
                .map(owner)
                .map_or(function.identity, |owner| owner.identify(function.identity)),
            Context::Stack => frames
                .iter()
                .take(tackle_core::fault::DEPTH)
                .fold(function.identity, |id, frame| owner(frame).identify(id)),
        };
        let sight = || Sight {
            // CAST: There are few functions.
            function: index as u32,
            gfp,
            order: argument(function.order),
            context,
            comm: task::current().comm,
            site,
            frames,
        };
        let Some(point) = shared.points.get_or_add(id.id(), sight) else {
            shared.plan.note_full();
            return Verdict::GoOn;
        };
        if !shared.plan.decide(point) {
            return Verdict::GoOn;
        }
        match function.action {
            Action::Return(register) => Verdict::Return(register),
            Action::Submit(function) => Verdict::Instead(function),
            Action::Complete => {
                if let Some(bio) = bio(call) {
                    // SAFETY: It is the bio that completes; its status is this function's to read.
                    unsafe { bindings::fault_fail_bio(bio) };
                }
                Verdict::GoOn
            }
        }
    }
}

impl Judge {
    /// Returns the index of the site; [`None`] if the call is not by a module under test.
    fn site(&self, frames: &[usize], by_module: bool) -> Option<usize> {
        if !by_module {
            return Some(0);
        }
        frames
            .iter()
            .position(|frame| match self.shared.map.owner(*frame) {
                Owner::Module(name, _) => self.calls.has_module(&name),
                _ => false,
            })
    }
}

/// Returns the return addresses of the call's stack, innermost first, up to where the current
/// context was entered. [`None`] if the call is not found on the stack.
fn stack<'a>(call: &Call, room: &'a mut [usize; ROOM]) -> Option<&'a [usize]> {
    // SAFETY: There is room for so many. It reads the stack of the current task, in any context.
    // CAST: A small number.
    let len = unsafe { bindings::stack_trace_save(room.as_mut_ptr(), ROOM as u32, 0) };
    let frames = room.get_mut(..len as usize)?;
    let first = frames.iter().position(|frame| *frame == call.parent_ip())?;
    let frames = frames.get_mut(first..)?;
    // SAFETY: So many are there. It compares them.
    // CAST: As above.
    let len = unsafe { bindings::filter_irq_stacks(frames.as_mut_ptr(), frames.len() as u32) };
    frames.get(..len as usize)
}
