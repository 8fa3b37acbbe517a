// SPDX-License-Identifier: GPL-2.0

//! Stands in for `tc` in the tests of plug-ins: the functions that it exports to them, and
//! calls into a plug-in's table as `tc` makes them.
//!
//! It has its own declarations of `tc`'s types, made from the same C headers (iproute2:
//! `tc/tc_util.h`, `include/json_print.h`, `include/libnetlink.h`, `include/utils.h`), so that
//! a slip in the plug-ins' declarations shows.

#![warn(missing_docs)]

mod exports;
mod message;
mod parse;

use std::cell::RefCell;
use std::ffi::{c_char, c_int, CStr, CString};
use std::ptr::{from_mut, from_ref, null_mut};
use std::sync::Mutex;

use serde_json::Value;

use self::message::{Attribute, Request};

/// `struct qdisc_util` of `tc/tc_util.h`.
#[repr(C)]
struct Util {
    next: *mut Util,
    id: *const c_char,
    parse_qopt: Option<ParseQopt>,
    print_qopt: Option<PrintQopt>,
    print_xstats: Option<PrintQopt>,
    parse_copt: Option<ParseQopt>,
    print_copt: Option<PrintQopt>,
    has_block: Option<unsafe extern "C" fn()>,
}

type ParseQopt = unsafe extern "C" fn(
    *const Util,
    c_int,
    *mut *mut c_char,
    *mut Request,
    *const c_char,
) -> c_int;

type PrintQopt = unsafe extern "C" fn(*const Util, *mut libc::FILE, *mut Attribute) -> c_int;

/// A plug-in's table, and whether the user asks for details (`-d`).
#[derive(Clone, Copy)]
pub struct Plugin(&'static Util, bool);

/// What a plug-in printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Printed {
    /// The text, a line's end being `\n`.
    pub text: String,
    /// The members of the JSON object, in the order of printing.
    pub json: Vec<(String, Value)>,
}

impl Printed {
    /// The members of the JSON object, to compare with.
    pub fn members<const N: usize>(members: [(&str, Value); N]) -> Vec<(String, Value)> {
        members.map(|(key, value)| (key.to_owned(), value)).to_vec()
    }
}

thread_local! {
    static PRINTED: RefCell<Printed> = RefCell::default();
    /// Whether the user asked for JSON.
    static JSON: RefCell<bool> = const { RefCell::new(false) };
    /// Objects and arrays that are open, the innermost one last.
    static OPEN: RefCell<Vec<(String, Value)>> = const { RefCell::new(Vec::new()) };
}

/// Held while a plug-in prints, which looks at a global variable.
static DETAILS: Mutex<()> = Mutex::new(());

impl Plugin {
    /// Takes what a plug-in exports.
    ///
    /// # Panics
    ///
    /// The table has another size than that of `tc`.
    pub fn new<T: Sync>(table: &'static T) -> Self {
        assert_eq!(size_of::<T>(), size_of::<Util>(), "of struct qdisc_util");
        assert_eq!(align_of::<T>(), align_of::<Util>(), "of struct qdisc_util");
        // SAFETY: tests give a plug-in's table, which must be laid out as `Util`: that is what
        // they are for. It is `'static`, and nothing here writes to it.
        Self(unsafe { &*from_ref(table).cast() }, false)
    }

    /// The same, for a user who asks for details.
    #[must_use]
    pub fn with_details(self) -> Self {
        Self(self.0, true)
    }

    /// The kind.
    pub fn id(self) -> &'static str {
        // SAFETY: a plug-in's table has a C string there, as long as the program lives.
        let id = unsafe { CStr::from_ptr(self.0.id) };
        id.to_str().expect("a kind is plain text")
    }

    /// Whether it speaks of classes or filters.
    pub fn has_classes(self) -> bool {
        self.0.parse_copt.is_some() || self.0.print_copt.is_some() || self.0.has_block.is_some()
    }

    /// Has a command line parsed: the payload of `TCA_OPTIONS`, or what was returned if not 0.
    ///
    /// # Errors
    ///
    /// The plug-in refused it; the value is what it returned.
    ///
    /// # Panics
    ///
    /// The request does not hold one `TCA_OPTIONS` and nothing else.
    pub fn parse(self, words: &[&str]) -> Result<Vec<u8>, i32> {
        let words: Vec<_> = words
            .iter()
            .map(|word| CString::new(*word).expect("a word has no NUL"))
            .collect();
        let mut argv: Vec<*mut c_char> =
            words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        argv.push(null_mut());
        let mut request = Request::new();
        let parse = self.0.parse_qopt.expect("it parses");
        // SAFETY: as `tc` calls it: `argv` ends with null, the request has room behind it.
        let code = unsafe {
            parse(
                self.0,
                words.len() as c_int,
                argv.as_mut_ptr(),
                from_mut(&mut request),
                c"eth0".as_ptr(),
            )
        };
        if code == 0 {
            Ok(request.options())
        } else {
            assert!(request.is_empty(), "refused, and yet something was added");
            Err(code)
        }
    }

    /// Has the words of a line parsed.
    ///
    /// # Errors
    ///
    /// See [`parse`](Self::parse).
    pub fn parse_line(self, line: &str) -> Result<Vec<u8>, i32> {
        let words: Vec<_> = line.split_whitespace().collect();
        self.parse(&words)
    }

    /// Has the payload of `TCA_OPTIONS` printed, as text and as JSON; `None` is no attribute.
    ///
    /// # Errors
    ///
    /// The plug-in failed; the value is what it returned.
    pub fn print(self, options: Option<&[u8]>) -> Result<Printed, i32> {
        self.print_with(self.0.print_qopt.expect("it prints options"), options)
    }

    /// Has statistics printed, as text and as JSON.
    ///
    /// # Errors
    ///
    /// The plug-in failed; the value is what it returned.
    pub fn print_xstats(self, xstats: Option<&[u8]>) -> Result<Printed, i32> {
        self.print_with(self.0.print_xstats.expect("it prints xstats"), xstats)
    }

    /// Has statistics of 32-bit members printed.
    ///
    /// # Panics
    ///
    /// The plug-in failed.
    pub fn print_members(self, members: &[u32]) -> Printed {
        let bytes: Vec<u8> = members.iter().copied().flat_map(u32::to_ne_bytes).collect();
        self.print_xstats(Some(&bytes)).expect("it prints xstats")
    }

    fn print_with(self, print: PrintQopt, payload: Option<&[u8]>) -> Result<Printed, i32> {
        let mut attribute = payload.map(Attribute::boxed);
        let pointer = attribute
            .as_mut()
            .map_or(null_mut(), |bytes| bytes.as_mut_ptr().cast());
        // `tc` has one thread, tests have several.
        let _one = DETAILS.lock();
        exports::set_details(self.1);
        PRINTED.take();
        for json in [false, true] {
            JSON.set(json);
            // SAFETY: as `tc` calls it: the attribute is null or whole.
            let code = unsafe { print(self.0, null_mut(), pointer) };
            if code != 0 {
                return Err(code);
            }
        }
        assert!(OPEN.take().is_empty(), "not all that was opened was closed");
        Ok(PRINTED.take())
    }
}

/// The numbers of the attributes in the payload of `TCA_OPTIONS`, in their order.
pub fn kinds(mut options: &[u8]) -> Vec<u16> {
    let mut kinds = Vec::new();
    while let Some((header, _)) = options.split_first_chunk() {
        let [a, b, c, d] = *header;
        kinds.push(u16::from_ne_bytes([c, d]));
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let padded = length.max(header.len()).next_multiple_of(4);
        options = options.get(padded..).unwrap_or_default();
    }
    kinds
}

/// The text of a key; nothing if it is null.
fn text_of(key: *const c_char) -> String {
    if key.is_null() {
        return String::new();
    }
    // SAFETY: plug-ins give C strings as keys.
    let key = unsafe { CStr::from_ptr(key) };
    key.to_string_lossy().into_owned()
}

/// Adds a member in JSON.
fn member(key: *const c_char, value: Value) {
    add(text_of(key), value);
}

/// Adds a member, or an element, to what is open.
fn add(key: String, value: Value) {
    let top = OPEN.with_borrow_mut(|open| match open.last_mut() {
        None => Some((key, value)),
        Some((_, Value::Array(elements))) => {
            assert_eq!(key, "", "an element has no key");
            elements.push(value);
            None
        }
        Some((_, object)) => {
            object[key] = value;
            None
        }
    });
    PRINTED.with_borrow_mut(|printed| printed.json.extend(top));
}

/// Opens an object or an array.
fn open(key: *const c_char, empty: Value) {
    OPEN.with_borrow_mut(|open| open.push((text_of(key), empty)));
}

/// Closes what was opened last, which is of the right kind.
fn close(is_right: fn(&Value) -> bool) {
    let (key, value) = OPEN
        .with_borrow_mut(Vec::pop)
        .expect("it was opened before");
    assert!(is_right(&value), "opened was {value}");
    add(key, value);
}

/// Whether the output is of this `enum output_type`.
fn is_wanted(output: u32) -> bool {
    const PRINT_FP: u32 = 1;
    const PRINT_JSON: u32 = 2;
    const PRINT_ANY: u32 = 4;
    let wanted = if JSON.with_borrow(|json| *json) {
        PRINT_JSON
    } else {
        PRINT_FP
    };
    output & (wanted | PRINT_ANY) != 0
}
