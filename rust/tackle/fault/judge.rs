// SPDX-License-Identifier: GPL-2.0

//! Implements the handler of a campaign: it finds the fault point of each call of a hooked
//! function, and decides whether the call fails.
//!
//! Calls happen in any context, also in reclaim and in interrupts. So the handler takes no lock,
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

/// The number of return addresses that are read. The first ones are in the handler and in ftrace's
/// trampoline, and are skipped.
const ROOM: usize = 40;

/// The conditions that select calls.
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

    /// Returns whether the call is selected by all conditions but the modules, which need the
    /// stack.
    fn has(&self, call: &Call, function: &Function, context: u32) -> bool {
        if let Some(filter) = &self.tree {
            if context != 0 || !filter.passes(call) {
                return false;
            }
        }
        if let Some(number) = self.syscall {
            // SAFETY: Reads the registers that the current task has saved at its system call.
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
        // SAFETY: `bio` is the argument of the hooked function, so it is valid during the call.
        unsafe { bindings::fault_is_bio(bio, major, minor, operation) }
    }
}

/// Returns the first argument of a function for bios, which is the bio.
fn bio(call: &Call) -> Option<*mut core::ffi::c_void> {
    // CAST: An address.
    call.argument(0).map(|bio| bio as *mut core::ffi::c_void)
}

/// The handler of all hooks of a campaign.
pub(super) struct Judge {
    pub(super) shared: Arc<Shared>,
    pub(super) calls: Calls,
}

// SAFETY: `prepare.rs` has checked that the value has the function's return type. Callers of a
// function with a rule have to expect the value. Only root can name a function without a rule, and
// is responsible for the value. `Action::Submit` replaces only `submit_bio_noacct()`, by a function
// of the same prototype.
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
        // `callback` has checked this already, but not with preemption disabled by it. From here on
        // a command that disarms waits for this handler, so no command can clear the points while
        // the handler adds one.
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
            // A reallocation to size 0 frees the memory. Rust's allocators free in this way.
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
                    // SAFETY: `bio` is the argument of `bio_endio()`, so it is completing, and its
                    // status is read only by this function after the hook.
                    unsafe { bindings::fault_fail_bio(bio) };
                }
                Verdict::GoOn
            }
        }
    }
}

impl Judge {
    /// Returns the index of the site in `frames`: the innermost frame in a selected module, or the
    /// innermost of all without `by_module`. [`None`] if no frame is in a selected module.
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
    // SAFETY: `room` has `ROOM` elements. The function may be called in any context.
    // CAST: A small number.
    let len = unsafe { bindings::stack_trace_save(room.as_mut_ptr(), ROOM as u32, 0) };
    let frames = room.get_mut(..len as usize)?;
    let first = frames.iter().position(|frame| *frame == call.parent_ip())?;
    let frames = frames.get_mut(first..)?;
    // SAFETY: The pointer and the length are those of one slice, which the function only reads.
    // CAST: As above.
    let len = unsafe { bindings::filter_irq_stacks(frames.as_mut_ptr(), frames.len() as u32) };
    frames.get(..len as usize)
}
