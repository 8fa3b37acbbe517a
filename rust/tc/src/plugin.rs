// SPDX-License-Identifier: GPL-2.0

//! The table that `tc` looks up in a plug-in, and the functions in it.

use std::ffi::{c_char, c_int, CStr};
use std::panic::{catch_unwind, UnwindSafe};
use std::ptr::null_mut;
use std::slice;
use std::sync::atomic::AtomicPtr;

use crate::abi::{self, File, NlMsgHdr, RtAttr};
use crate::{Attributes, Error, Options, Printer, Qdisc, Words};

type Parse = unsafe extern "C" fn(
    util: *const QdiscUtil,
    argc: c_int,
    argv: *mut *mut c_char,
    n: *mut NlMsgHdr,
    dev: *const c_char,
) -> c_int;

type Print =
    unsafe extern "C" fn(util: *const QdiscUtil, f: *mut File, attribute: *mut RtAttr) -> c_int;

type HasBlock = unsafe extern "C" fn(
    util: *const QdiscUtil,
    options: *mut RtAttr,
    block: u32,
    has: *mut bool,
) -> c_int;

/// What `tc` knows of a kind: `struct qdisc_util`. [`plugin!`](crate::plugin) makes one.
///
/// # Invariants
///
/// `id` is a C string that lives as long as the program.
#[repr(C)]
pub struct QdiscUtil {
    /// `tc` keeps the kinds that it has met in a list.
    next: AtomicPtr<QdiscUtil>,
    id: *const c_char,
    parse_qopt: Parse,
    print_qopt: Print,
    print_xstats: Print,
    // Not for qdiscs without classes and filters.
    parse_copt: Option<Parse>,
    print_copt: Option<Print>,
    has_block: Option<HasBlock>,
}

// SAFETY: `id` is never written, nor is what it points to; the rest is `Sync` by itself.
unsafe impl Sync for QdiscUtil {}

impl QdiscUtil {
    #[doc(hidden)]
    pub const fn new<Q: Qdisc>(kind: &'static CStr) -> Self {
        Self {
            next: AtomicPtr::new(null_mut()),
            // INVARIANT: `kind` is `'static`.
            id: kind.as_ptr(),
            parse_qopt: parse::<Q>,
            print_qopt: print::<Q>,
            print_xstats: print_xstats::<Q>,
            parse_copt: None,
            print_copt: None,
            has_block: None,
        }
    }
}

/// Exports a type that implements [`Qdisc`] to `tc` under the name of its kind.
///
/// Used once, at the top of a crate of type `cdylib`, whose file is installed as `q_KIND.so`.
#[macro_export]
macro_rules! plugin {
    ($kind:literal, $qdisc:ty) => {
        /// What `tc` looks up.
        #[export_name = concat!($kind, "_qdisc_util")]
        pub static QDISC_UTIL: $crate::QdiscUtil = {
            const KIND: &::core::ffi::CStr =
                match ::core::ffi::CStr::from_bytes_with_nul(concat!($kind, "\0").as_bytes()) {
                    Ok(kind) => kind,
                    Err(_) => panic!("a kind's name has no NUL in it"),
                };
            $crate::QdiscUtil::new::<$qdisc>(KIND)
        };
    };
}

/// What `tc` takes for success, and for failure.
const DONE: c_int = 0;
const FAILED: c_int = -1;

/// Keeps a panic on our side: C code has no way to unwind. The panic's message is on standard
/// error by then.
fn guarded<T>(work: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    catch_unwind(work).ok()
}

/// # Safety
///
/// As `tc` calls it: `util` points to a [`QdiscUtil`], `argv` to `argc` C strings unless
/// `argc` is 0, and `n` to a request with room for `REQUEST_SIZE` bytes in all. All are there
/// until it returns, and nobody else writes to them.
unsafe extern "C" fn parse<Q: Qdisc>(
    util: *const QdiscUtil,
    argc: c_int,
    argv: *mut *mut c_char,
    n: *mut NlMsgHdr,
    _dev: *const c_char,
) -> c_int {
    // SAFETY: the function's own contract.
    let words = unsafe { words(argc, argv) };
    let parsed = guarded(move || {
        let mut options = Options::default();
        Q::parse(&mut Words::of_c(words), &mut options).map(|()| options)
    });
    let error = match parsed {
        // SAFETY: the function's own contract.
        Some(Ok(options)) => return unsafe { add(n, &options) },
        Some(Err(error)) => error,
        None => return FAILED,
    };
    // SAFETY: `util` points to a `QdiscUtil`, whose invariants make `id` a C string.
    let kind = unsafe { CStr::from_ptr((*util).id) };
    let incomplete = error == Error::Incomplete;
    // Without a standard error there is nobody to tell.
    let _ = guarded(move || complain::<Q>(&error, &kind.to_string_lossy()));
    if incomplete {
        // SAFETY: it ends the program; nothing of ours is left to be dropped.
        unsafe { abi::incomplete_command() };
    }
    FAILED
}

/// # Safety
///
/// `argv` points to `argc` C strings, or `argc` is 0; they are not written to during `'a`.
unsafe fn words<'a>(argc: c_int, argv: *mut *mut c_char) -> Vec<&'a CStr> {
    let count = usize::try_from(argc).unwrap_or(0);
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise, and there is one at least.
    let argv = unsafe { slice::from_raw_parts(argv, count) };
    argv.iter()
        // SAFETY: the caller's promise.
        .map(|word| unsafe { CStr::from_ptr(*word) })
        .collect()
}

/// Puts the options into the request.
///
/// # Safety
///
/// `n` points to a request with room for `REQUEST_SIZE` bytes in all.
unsafe fn add(n: *mut NlMsgHdr, options: &Options) -> c_int {
    let bytes = options.as_bytes();
    let Ok(length) = c_int::try_from(bytes.len()) else {
        return FAILED;
    };
    // SAFETY: the caller's promise; `bytes` has `length` bytes. It checks that they fit.
    unsafe {
        abi::addattr_l(
            n,
            abi::REQUEST_SIZE,
            abi::TCA_OPTIONS,
            bytes.as_ptr().cast(),
            length,
        )
    }
}

fn complain<Q: Qdisc>(error: &Error, kind: &str) {
    let mut text = String::new();
    // That a line is not complete says `tc`.
    if !matches!(error, Error::Help | Error::Incomplete) {
        text += &format!("{error}\n");
    }
    if error.wants_usage() {
        let lines = Q::USAGE.join("\n\t\t ");
        text += &format!("Usage: ... {kind} {lines}\n");
    }
    eprint!("{text}");
}

/// # Safety
///
/// As `tc` calls it: `attribute` is null or points to a whole attribute that is there, and not
/// written to, until it returns.
unsafe extern "C" fn print<Q: Qdisc>(
    _util: *const QdiscUtil,
    _f: *mut File,
    attribute: *mut RtAttr,
) -> c_int {
    // SAFETY: the function's own contract, which is what `print_with` asks for.
    unsafe {
        print_with(attribute, |bytes, out| {
            Q::print(&Attributes::new(bytes), out)
        })
    }
}

/// # Safety
///
/// See [`print()`].
unsafe extern "C" fn print_xstats<Q: Qdisc>(
    _util: *const QdiscUtil,
    _f: *mut File,
    attribute: *mut RtAttr,
) -> c_int {
    // SAFETY: the function's own contract, which is what `print_with` asks for.
    unsafe { print_with(attribute, Q::print_xstats) }
}

/// # Safety
///
/// The caller was called by `tc` to print. `attribute` is null or points to a whole attribute
/// that is there, and not written to, until it returns.
unsafe fn print_with(
    attribute: *const RtAttr,
    print: impl FnOnce(&[u8], &mut Printer) + UnwindSafe,
) -> c_int {
    if attribute.is_null() {
        return DONE;
    }
    // SAFETY: it is not null, and there is a whole header.
    let length = usize::from(unsafe { (*attribute).len });
    let payload = length.saturating_sub(size_of::<RtAttr>());
    // SAFETY: the payload follows the header, whose size its alignment divides, and is as long
    // as the header says.
    let bytes = unsafe { slice::from_raw_parts(attribute.add(1).cast::<u8>(), payload) };
    let printed = guarded(move || {
        // SAFETY: the caller was called by `tc` to print; the value is gone before it returns.
        let mut out = unsafe { Printer::new() };
        print(bytes, &mut out);
    });
    printed.map_or(FAILED, |()| DONE)
}
