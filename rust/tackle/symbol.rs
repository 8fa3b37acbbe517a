// SPDX-License-Identifier: GPL-2.0

//! Implements the lookup of symbols of the kernel and of modules by name, and of the address in a
//! function that ftrace can hook.
//!
//! C headers: [`include/linux/kallsyms.h`](srctree/include/linux/kallsyms.h),
//! [`include/linux/module.h`](srctree/include/linux/module.h),
//! [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h)
//!
//! The kernel exports no function for this. But a kprobe can be registered as disabled: then it
//! changes no code, and the registration returns the address of its symbol. In this way [`init`]
//! finds the functions by which live patching looks up symbols. This module calls them by their
//! addresses.

use crate::{bindings, call_at::call_at, fault};
use kernel::{
    error::to_result,
    ffi::{c_char, c_int, c_ulong, c_void},
    prelude::*,
    str::CString,
    sync::atomic::{Atomic, Relaxed},
};

/// A function of the kernel that is not exported.
pub(crate) struct Unexported {
    name: &'static CStr,
    /// 0 before [`Unexported::find`].
    address: Atomic<usize>,
}

impl Unexported {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: Atomic::new(0),
        }
    }

    /// Finds the function, unless it was found before. Returns its address, for [`call_at`].
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the kernel does not have the function.
    /// - `ENOMEM`: there is no memory for the lookup.
    ///
    /// # Context
    ///
    /// May sleep; takes the kprobes' mutex.
    pub(crate) fn find(&self) -> Result<*mut c_void> {
        if self.address.load(Relaxed) == 0 {
            self.address.store(address_by_kprobe(self.name)?, Relaxed);
        }
        self.address()
    }

    /// Returns the address, for [`call_at`].
    ///
    /// # Errors
    ///
    /// `ENODEV`: [`Unexported::find`] has not found the function, or was not called.
    pub(crate) fn address(&self) -> Result<*mut c_void> {
        match self.address.load(Relaxed) {
            0 => Err(ENODEV),
            // CAST: An address.
            address => Ok(address as *mut c_void),
        }
    }
}

static ON_EACH_MATCH: Unexported = Unexported::new(c"kallsyms_on_each_match_symbol");
static ON_EACH: Unexported = Unexported::new(c"kallsyms_on_each_symbol");
static MODULE_ON_EACH: Unexported = Unexported::new(c"module_kallsyms_on_each_symbol");
static FTRACE_LOCATION: Unexported = Unexported::new(c"ftrace_location");

/// Finds the unexported functions that the other functions of this module call.
///
/// # Errors
///
/// - `ENOENT`: the kernel does not have one of them; the log has its name.
/// - `ENOMEM`: there is no memory for the lookup.
///
/// # Context
///
/// May sleep; takes the kprobes' mutex.
pub(crate) fn init() -> Result {
    for function in [&ON_EACH_MATCH, &ON_EACH, &MODULE_ON_EACH, &FTRACE_LOCATION] {
        function
            .find()
            .inspect_err(|_| pr_err!("the kernel has no function {}\n", function.name))?;
    }
    Ok(())
}

/// Returns the address of the kernel function `name`.
fn address_by_kprobe(name: &CStr) -> Result<usize> {
    let mut probe: bindings::kprobe = pin_init::zeroed();
    probe.symbol_name = name.as_char_ptr();
    probe.flags = bindings::KPROBE_FLAG_DISABLED;

    fault::REGISTER_KPROBE.check()?;
    // SAFETY: `probe` is valid and stays in its place until it is unregistered below;
    // `symbol_name` outlives it.
    let result = to_result(unsafe { bindings::register_kprobe(&mut probe) });
    let address = probe.addr as usize;
    match result {
        Ok(()) => {
            // SAFETY: `probe` was registered above, and is unregistered this once.
            unsafe { bindings::unregister_kprobe(&mut probe) };
            Ok(address)
        }
        // The name was found, but the kernel allows no kprobe there.
        Err(EINVAL) if address != 0 => Ok(address),
        Err(error) => Err(error),
    }
}

/// A closure that the kernel calls for each symbol, and what it has returned.
struct Visit<F> {
    visitor: F,
    result: Result,
}

impl<F> Visit<F> {
    fn new(visitor: F) -> Self {
        Self {
            visitor,
            result: Ok(()),
        }
    }

    /// Returns the `data` of the kernel's callback.
    fn data(&mut self) -> usize {
        core::ptr::from_mut(self).expose_provenance()
    }

    /// Stores the result of the visitor. Returns the callback's return value: not 0 after an error,
    /// which ends the iteration.
    fn note(&mut self, result: Result) -> c_int {
        self.result = result;
        c_int::from(result.is_err())
    }
}

/// # Safety
///
/// Called by the kernel alone, with the `data` of a [`Visit`] of `F`.
unsafe extern "C" fn visit_address<F: FnMut(usize) -> Result>(
    data: *mut c_void,
    address: c_ulong,
) -> c_int {
    // SAFETY: By the function's requirements. The kernel makes one call at a time, so the reference
    // is exclusive.
    let visit = unsafe { &mut *data.cast::<Visit<F>>() };
    let result = (visit.visitor)(address);
    visit.note(result)
}

/// # Safety
///
/// Called by the kernel alone, with the `data` of a [`Visit`] of `F` and a string.
unsafe extern "C" fn visit_symbol<F: FnMut(&CStr, usize) -> Result>(
    data: *mut c_void,
    name: *const c_char,
    address: c_ulong,
) -> c_int {
    // SAFETY: As in `visit_address`.
    let visit = unsafe { &mut *data.cast::<Visit<F>>() };
    // SAFETY: By the function's requirements `name` is a string. It is valid during the call.
    let result = (visit.visitor)(unsafe { CStr::from_char_ptr(name) }, address);
    visit.note(result)
}

/// Calls `visitor` with the address of each symbol `name` of the kernel proper, functions
/// and data, in the order of `/proc/kallsyms`.
///
/// # Errors
///
/// - The first error of `visitor`, which ends the iteration.
/// - `ENODEV`: the library is not loaded.
///
/// # Context
///
/// May sleep.
pub(crate) fn each_in_vmlinux<F: FnMut(usize) -> Result>(name: &CStr, visitor: F) -> Result {
    let mut visit = Visit::new(visitor);
    let callback = visit_address::<F> as *const () as usize;
    let name = name.as_char_ptr().expose_provenance();
    // SAFETY: The prototype is `int kallsyms_on_each_match_symbol(int (*fn)(void *, unsigned long),
    // const char *name, void *data)`. The callback has the type of `fn`, and `data` is that of its
    // `Visit`. The function is part of the kernel, so it is not freed.
    unsafe {
        call_at(
            ON_EACH_MATCH.address()?,
            [callback, name, visit.data(), 0, 0, 0],
        )
    };
    visit.result
}

/// Calls `visitor` with the name and the address of each symbol of the kernel proper.
///
/// # Errors
///
/// As [`each_in_vmlinux`].
///
/// # Context
///
/// May sleep. It iterates over about 200,000 symbols.
pub(crate) fn all_in_vmlinux<F: FnMut(&CStr, usize) -> Result>(visitor: F) -> Result {
    let mut visit = Visit::new(visitor);
    let callback = visit_symbol::<F> as *const () as usize;
    // SAFETY: The prototype is `int kallsyms_on_each_symbol(int (*fn)(void *, const char *,
    // unsigned long), void *data)`. The rest is as in `each_in_vmlinux`.
    unsafe { call_at(ON_EACH.address()?, [callback, visit.data(), 0, 0, 0, 0]) };
    visit.result
}

/// Calls `visitor` with the name and the address of each symbol of the module `module`, or
/// of all modules, in the order of `/proc/kallsyms`.
///
/// This includes the symbols of a module already before the module notifiers run for its loading,
/// and still after they have run for its unloading.
///
/// # Errors
///
/// As [`each_in_vmlinux`].
///
/// # Context
///
/// May sleep. Holds `module_mutex` while the visitor runs, so that no module is freed.
pub(crate) fn all_in_modules<F: FnMut(&CStr, usize) -> Result>(
    module: Option<&CStr>,
    visitor: F,
) -> Result {
    let mut visit = Visit::new(visitor);
    let callback = visit_symbol::<F> as *const () as usize;
    let module = module.map_or(0, |name| name.as_char_ptr().expose_provenance());
    // SAFETY: The prototype is `int module_kallsyms_on_each_symbol(const char *modname, int
    // (*fn)(void *, const char *, unsigned long), void *data)`. `modname` may be NULL. The rest is
    // as in `each_in_vmlinux`.
    unsafe {
        call_at(
            MODULE_ON_EACH.address()?,
            [module, callback, visit.data(), 0, 0, 0],
        )
    };
    visit.result
}

/// Returns the address of the `call __fentry__` of a function. `address` is that of the function or
/// of the call. [`None`] if ftrace cannot hook a function there.
///
/// # Context
///
/// Any.
pub(crate) fn ftrace_location(address: usize) -> Option<usize> {
    let function = FTRACE_LOCATION.address().ok()?;
    // SAFETY: The prototype is `unsigned long ftrace_location(unsigned long ip)`, and any number is
    // a valid argument.
    match unsafe { call_at(function, [address, 0, 0, 0, 0, 0]) } {
        0 => None,
        location => Some(location),
    }
}

/// Returns the address of the symbol `name`, which may be a function or data.
///
/// `module:name` is a symbol of a module. A name without a module is the first symbol of that name
/// in the kernel proper, or, if there is none, in a module.
///
/// # Errors
///
/// - `ENOENT`: there is no symbol of this name.
/// - `ENOMEM`: there is no memory for the look-up.
/// - `ENODEV`: the library is not loaded.
///
/// # Context
///
/// May sleep; takes `module_mutex`.
pub fn lookup(name: &CStr) -> Result<usize> {
    fault::SYMBOL_LOOKUP.check()?;
    let mut found = None;
    let (module, symbol) = split(name)?;
    if module.is_none() {
        each_in_vmlinux(symbol, |address| {
            found = found.or(Some(address));
            Ok(())
        })?;
    }
    if found.is_none() {
        all_in_modules(module.as_deref(), |other, address| {
            if found.is_none() && other == symbol {
                found = Some(address);
            }
            Ok(())
        })?;
    }
    found.ok_or(ENOENT)
}

/// Splits `module:name` into the module, if there is one, and the name.
///
/// # Errors
///
/// - `ENOENT`: the name is empty, or that of the module is not UTF-8.
/// - `ENOMEM`: there is no memory for the name of the module.
pub(crate) fn split(name: &CStr) -> Result<(Option<CString>, &CStr)> {
    let bytes = name.to_bytes_with_nul();
    let (module, name) = match bytes.iter().position(|&byte| byte == b':') {
        Some(colon) => {
            let module = core::str::from_utf8(&bytes[..colon]).map_err(|_| ENOENT)?;
            let name = CStr::from_bytes_with_nul(&bytes[colon + 1..]).map_err(|_| ENOENT)?;
            (Some(CString::try_from_fmt(fmt!("{module}"))?), name)
        }
        None => (None, name),
    };
    // Refuse an empty name, which would match the symbols of a module's sections.
    if name.is_empty() {
        return Err(ENOENT);
    }
    Ok((module, name))
}

/// A symbol of the kernel or of a module.
pub(crate) struct Symbol {
    pub(crate) name: CString,
    /// [`None`] for the kernel proper.
    pub(crate) module: Option<CString>,
}

/// Returns the last symbol that begins at `address` or before it; [`None`] if there is none.
///
/// # Errors
///
/// - `EINVAL`: the names are not UTF-8.
/// - `ENOMEM`: there is no memory for the names.
///
/// # Context
///
/// May sleep.
pub(crate) fn symbol_at(address: usize) -> Result<Option<Symbol>> {
    const LEN: usize = bindings::KSYM_SYMBOL_LEN;
    let mut text = KVec::from_elem(0u8, LEN, GFP_KERNEL)?;
    // SAFETY: The function writes at most `KSYM_SYMBOL_LEN` bytes, and `text` has room for these.
    let len = unsafe { bindings::sprint_symbol_no_offset(text.as_mut_ptr(), address) };
    // The text is `function [module]`, perhaps with more in the brackets.
    let text = text.get(..len as usize).unwrap_or_default();
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    if text.starts_with("0x") {
        // The address has no symbol.
        return Ok(None);
    }
    let (name, rest) = text.split_once(" [").unwrap_or((text, ""));
    let module = rest
        .split([' ', ']'])
        .next()
        .filter(|name| !name.is_empty());
    Ok(Some(Symbol {
        name: CString::try_from_fmt(fmt!("{name}"))?,
        module: module
            .map(|name| CString::try_from_fmt(fmt!("{name}")))
            .transpose()?,
    }))
}

/// Returns the name of the module that contains `address`; [`None`] for the kernel proper.
///
/// # Errors
///
/// - `EINVAL`: no symbol is at or before the address.
/// - `ENOMEM`: there is no memory for the names.
///
/// # Context
///
/// May sleep.
pub(crate) fn module_of(address: usize) -> Result<Option<CString>> {
    Ok(symbol_at(address)?.ok_or(EINVAL)?.module)
}
