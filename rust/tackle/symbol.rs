// SPDX-License-Identifier: GPL-2.0

//! Finds symbols of the kernel and of modules by name, and the place in a function that
//! ftrace can hook.
//!
//! C headers: [`include/linux/kallsyms.h`](srctree/include/linux/kallsyms.h),
//! [`include/linux/module.h`](srctree/include/linux/module.h),
//! [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h)
//!
//! The kernel exports no function that does this. But a kprobe that is registered disabled
//! arms nothing, and gives the address of its symbol. [`init`] so finds the functions that
//! live patching uses for its symbols, and this module calls them by their addresses.

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

    /// Finds the function, unless that was done before. Returns its address as [`call_at`] wants
    /// it.
    ///
    /// # Errors
    ///
    /// `ENOENT`: the kernel does not have the function. `ENOMEM`.
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

    /// Returns the address as [`call_at`] wants it.
    ///
    /// # Errors
    ///
    /// `ENODEV`: [`Unexported::find`] has not found it.
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

/// Finds the functions that the others here call.
///
/// # Errors
///
/// `ENOENT`: the kernel does not have one of them; the log names it. `ENOMEM`.
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

    /// Notes what the visitor returned; an error stops the walk.
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
    // SAFETY: By the function's requirements; the walk calls one visitor at a time.
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
    // SAFETY: By the function's requirements; it stays during the call.
    let result = (visit.visitor)(unsafe { CStr::from_char_ptr(name) }, address);
    visit.note(result)
}

/// Calls `visitor` with the address of each symbol `name` of the kernel proper, functions
/// and data, in the order of `/proc/kallsyms`.
///
/// # Errors
///
/// The first one of `visitor`, which ends the walk; `ENODEV` without the library.
///
/// # Context
///
/// May sleep.
pub(crate) fn each_in_vmlinux<F: FnMut(usize) -> Result>(name: &CStr, visitor: F) -> Result {
    let mut visit = Visit::new(visitor);
    let callback = visit_address::<F> as *const () as usize;
    let name = name.as_char_ptr().expose_provenance();
    // SAFETY: `int kallsyms_on_each_match_symbol(int (*fn)(void *, unsigned long), const
    // char *name, void *data)`: the callback is of that type, and `data` is what it wants.
    // The function is part of the kernel.
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
/// May sleep. Walks some 200,000 symbols.
pub(crate) fn all_in_vmlinux<F: FnMut(&CStr, usize) -> Result>(visitor: F) -> Result {
    let mut visit = Visit::new(visitor);
    let callback = visit_symbol::<F> as *const () as usize;
    // SAFETY: `int kallsyms_on_each_symbol(int (*fn)(void *, const char *, unsigned long),
    // void *data)`; else as above.
    unsafe { call_at(ON_EACH.address()?, [callback, visit.data(), 0, 0, 0, 0]) };
    visit.result
}

/// Calls `visitor` with the name and the address of each symbol of the module `module`, or
/// of all modules, in the order of `/proc/kallsyms`.
///
/// A module has its symbols here from before it is told to those who wait for modules until
/// after they were told that it goes.
///
/// # Errors
///
/// As [`each_in_vmlinux`].
///
/// # Context
///
/// May sleep; holds `module_mutex` while the visitor runs: no module is freed meanwhile.
pub(crate) fn all_in_modules<F: FnMut(&CStr, usize) -> Result>(
    module: Option<&CStr>,
    visitor: F,
) -> Result {
    let mut visit = Visit::new(visitor);
    let callback = visit_symbol::<F> as *const () as usize;
    let module = module.map_or(0, |name| name.as_char_ptr().expose_provenance());
    // SAFETY: `int module_kallsyms_on_each_symbol(const char *modname, int (*fn)(void *,
    // const char *, unsigned long), void *data)`; `modname` may be NULL; else as above.
    unsafe {
        call_at(
            MODULE_ON_EACH.address()?,
            [module, callback, visit.data(), 0, 0, 0],
        )
    };
    visit.result
}

/// Returns the address of the `call __fentry__` of the function at `address`, which may be
/// that of the function or of the call; [`None`] if ftrace has no such function.
///
/// # Context
///
/// Any.
pub(crate) fn ftrace_location(address: usize) -> Option<usize> {
    let function = FTRACE_LOCATION.address().ok()?;
    // SAFETY: `unsigned long ftrace_location(unsigned long ip)`, for any number.
    match unsafe { call_at(function, [address, 0, 0, 0, 0, 0]) } {
        0 => None,
        location => Some(location),
    }
}

/// Returns the address of the symbol `name`, which may be a function or data.
///
/// `module:name` is a module's. Without a module, this is the first symbol of that name in
/// the kernel proper, or if there is none, in a module.
///
/// # Errors
///
/// - `ENOENT`: there is no such symbol.
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

/// Splits `module:name`.
///
/// # Errors
///
/// `ENOENT`: the name is empty, or the module's is not UTF-8. `ENOMEM`.
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
    // Sections of modules have symbols without a name.
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
/// `ENOMEM`; `EINVAL`: the names are not UTF-8.
///
/// # Context
///
/// May sleep.
pub(crate) fn symbol_at(address: usize) -> Result<Option<Symbol>> {
    const LEN: usize = bindings::KSYM_SYMBOL_LEN;
    let mut text = KVec::from_elem(0u8, LEN, GFP_KERNEL)?;
    // SAFETY: `text` has room for what it writes: at most `KSYM_SYMBOL_LEN` bytes.
    let len = unsafe { bindings::sprint_symbol_no_offset(text.as_mut_ptr(), address) };
    // `function [module]`, and perhaps more in the brackets.
    let text = text.get(..len as usize).unwrap_or_default();
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    if text.starts_with("0x") {
        // An address without a symbol.
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

/// Returns the name of the module that has `address`; [`None`] for the kernel proper.
///
/// # Errors
///
/// `EINVAL`: no symbol is at or before the address. `ENOMEM`.
///
/// # Context
///
/// May sleep.
pub(crate) fn module_of(address: usize) -> Result<Option<CString>> {
    Ok(symbol_at(address)?.ok_or(EINVAL)?.module)
}
