// SPDX-License-Identifier: GPL-2.0

//! Implements the selection of functions to hook: finds those that a request selects, and compares
//! their rules with the running kernel.

use super::rules::{Failure, CLASSES, NEVER, RULES};
use crate::{
    bindings,
    btf::{self, ReturnType},
    call_at::call_at,
    ftrace,
    function::MAX_ARGUMENTS,
    symbol::{self, Unexported},
};
use kernel::{prelude::*, str::CString};
use tackle_base::debugfs::LineError;
use tackle_core::{
    fault::{Identity, Selection, Value},
    sort::insertion_sort,
};

static SIZE_OFFSET: Unexported = Unexported::new(c"kallsyms_lookup_size_offset");

/// The way in which the handler makes a call fail.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// The function returns this register.
    Return(usize),
    /// The function at this address runs instead.
    Submit(usize),
    /// The bio that is the first argument gets a status.
    Complete,
}

/// A function that is to be hooked.
pub(super) struct Function {
    pub(super) name: CString,
    pub(super) class: &'static str,
    pub(super) failure: Failure,
    pub(super) action: Action,
    /// The address of the entry's `call __fentry__`.
    pub(super) entry: usize,
    /// The addresses of the function's code.
    pub(super) text: core::ops::Range<usize>,
    /// The index of the argument `gfp`.
    pub(super) gfp: Option<usize>,
    pub(super) order: Option<usize>,
    /// The index of the argument `new_size`.
    pub(super) new_size: Option<usize>,
    /// The identity from which the ids of the function's points are computed.
    pub(super) identity: Identity,
}

impl Function {
    /// Returns whether the function allocates. Calls that come from within it are no points.
    pub(super) fn is_allocator(&self) -> bool {
        self.gfp.is_some()
    }

    /// Returns whether the function is one for bios, whose calls are selected by a block device.
    pub(super) fn is_bio(&self) -> bool {
        !matches!(self.action, Action::Return(_))
    }

    /// # Errors
    ///
    /// - `ENOENT`: the kernel has no function of this name.
    /// - `ENOTUNIQ`: the kernel has several functions of this name.
    /// - `EINVAL`: the function cannot be traced.
    fn find(name: &CStr, class: &'static str, failure: Failure) -> Result<Self> {
        let mut address = None;
        symbol::each_in_vmlinux(name, |found| match address.replace(found) {
            None => Ok(()),
            Some(_) => Err(ENOTUNIQ),
        })?;
        let address = address.ok_or(ENOENT)?;
        let entry = symbol::ftrace_location(address).ok_or(EINVAL)?;
        let submit = bindings::fault_submit_bio as *const () as usize;
        Ok(Self {
            identity: Identity::new(name.to_bytes()),
            name: CString::try_from(name)?,
            class,
            failure,
            action: match failure {
                Failure::Returns(_) => Action::Return(0),
                Failure::Submit => Action::Submit(submit),
                Failure::Complete => Action::Complete,
            },
            entry,
            text: text(address)?,
            gfp: None,
            order: None,
            new_size: None,
        })
    }
}

/// Returns the addresses of the code of the function at `address`.
fn text(address: usize) -> Result<core::ops::Range<usize>> {
    let (mut size, mut offset) = (0_usize, 0_usize);
    let arguments = [
        address,
        (&raw mut size).expose_provenance(),
        (&raw mut offset).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: The prototype is `int kallsyms_lookup_size_offset(unsigned long addr, unsigned long
    // *symbolsize, unsigned long *offset)`. It writes to both pointers, which are valid.
    unsafe { call_at(SIZE_OFFSET.find()?, arguments) };
    Ok(address..address.saturating_add(size))
}

/// Functions by which the kernel's checkers (KASAN, SLUB debugging) allocate memory for themselves
/// during an allocation. These are listed since the allocator may have jumped to the checker
/// instead of calling it. Then the allocator itself is not on the stack.
const CHECKERS: [&CStr; 1] = [c"stack_depot_save_flags"];

/// Adds the text of [`CHECKERS`] to `ranges`. Kernels without checkers lack these functions.
///
/// # Errors
///
/// - `ENOENT`: symbols cannot be looked up.
/// - `ENOMEM`: there is no memory for the ranges.
pub(super) fn add_checkers(ranges: &mut KVec<core::ops::Range<usize>>) -> Result {
    for name in CHECKERS {
        let mut address = None;
        symbol::each_in_vmlinux(name, |found| {
            address = Some(found);
            Ok(())
        })?;
        if let Some(address) = address {
            ranges.push(text(address)?, GFP_KERNEL)?;
        }
    }
    Ok(())
}

fn find(name: &CStr, class: &'static str, failure: Failure) -> Result<Function, LineError> {
    Function::find(name, class, failure).map_err(|error| match error {
        ENOENT | EINVAL | ENOTUNIQ => {
            LineError::new(error, fmt!("{name}: {}", ftrace::reason(error)))
        }
        error => error.into(),
    })
}

/// Returns the functions that a request selects, sorted by their entries.
///
/// # Errors
///
/// - `EINVAL`: a word is neither a class nor a function with a rule; a function does not have the
///   signature of its rule, cannot be traced or cannot return the value; a function for bios is
///   selected without a device; or no function is selected.
/// - `EPERM`: a selected function must not fail ([`NEVER`]).
/// - `ENOENT`: the kernel has no function of this name.
/// - `ENOTUNIQ`: the kernel has several functions of this name.
/// - `ENOMEM`: there is no memory for the list.
///
/// # Context
///
/// May sleep.
pub(super) fn functions(selection: &Selection<'_>) -> Result<KVec<Function>, LineError> {
    let mut functions = KVec::new();
    for word in selection.functions() {
        refuse_never(word)?;
        let is_selected = |name: &CStr, class: &str| {
            class == word || (!CLASSES.contains(&word) && name.to_bytes() == word.as_bytes())
        };
        let mut is_known = false;
        for rule in RULES {
            if !is_selected(rule.name, rule.class) {
                continue;
            }
            is_known = true;
            if functions
                .iter()
                .any(|other: &Function| *other.name == *rule.name)
            {
                continue;
            }
            if rule.class.starts_with("bio") && selection.device.is_none() {
                return Err(LineError::new(
                    EINVAL,
                    fmt!("{} needs device=MAJOR:MINOR", rule.name),
                ));
            }
            let mut function = find(rule.name, rule.class, rule.failure)?;
            let is_as_known = !btf::IS_THERE
                || match btf::return_type(rule.name) {
                    Some(ReturnType::Nothing) => rule.returns.is_none(),
                    Some(ReturnType::Known(returns)) => rule.returns == Some(returns),
                    _ => false,
                } && btf::parameter_of_type(rule.name, c"gfp_t") == rule.gfp;
            if !is_as_known || rule.gfp.is_some_and(|gfp| gfp >= MAX_ARGUMENTS) {
                return Err(LineError::new(
                    EINVAL,
                    fmt!("{}: this kernel has it with another signature", rule.name),
                ));
            }
            function.gfp = rule.gfp;
            function.order = rule.order;
            function.new_size = rule.new_size;
            if let (Failure::Returns(value), Some(returns)) = (rule.failure, rule.returns) {
                // CAST: A register.
                let register = value.register(returns).ok_or(EINVAL)? as usize;
                function.action = Action::Return(register);
            }
            functions.push(function, GFP_KERNEL)?;
        }
        if !is_known {
            return Err(LineError::new(
                EINVAL,
                format_args!(
                    "{word} is no class, and there is no rule for it: say what it returns with \
                     return={word}:VALUE"
                ),
            ));
        }
    }
    for (name, value) in selection.named() {
        functions.push(named(name, value, &functions)?, GFP_KERNEL)?;
    }
    if functions.is_empty() {
        return Err(LineError::new(
            EINVAL,
            format_args!("no function is selected"),
        ));
    }
    insertion_sort(&mut functions, |a, b| a.entry < b.entry);
    Ok(functions)
}

fn refuse_never(name: &str) -> Result<(), LineError> {
    match NEVER.iter().find(|(never, _)| *never == name) {
        Some((_, why)) => Err(LineError::new(
            EPERM,
            format_args!("{name} must not fail: {why}"),
        )),
        None => Ok(()),
    }
}

/// Finds a function that the user has selected by `return=NAME:VALUE`.
fn named(name: &str, value: Value, others: &[Function]) -> Result<Function, LineError> {
    let refuse = |why: &str| Err(LineError::new(EINVAL, format_args!("{name}: {why}")));
    refuse_never(name)?;
    let text = CString::try_from_fmt(format_args!("{name}"))?;
    if others.iter().any(|other| *other.name == *text) {
        return refuse("it is selected already");
    }
    let mut function = find(&text, "named", Failure::Returns(value))?;
    let register = match btf::return_type(&text) {
        Some(ReturnType::Known(returns)) => value.register(returns),
        Some(ReturnType::Nothing) => return refuse("it returns nothing"),
        Some(ReturnType::Other) => return refuse("it returns a structure"),
        None => return refuse("this kernel does not know its type (BTF)"),
    };
    let Some(register) = register else {
        return refuse("the value does not suit its type");
    };
    // CAST: A register.
    function.action = Action::Return(register as usize);
    Ok(function)
}
