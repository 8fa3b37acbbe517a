// SPDX-License-Identifier: GPL-2.0

//! Adds an exit hook with the prototype of its function. A trampoline calls the function, on all
//! kernels.
//!
//! ```sh
//! insmod hook_exit.ko on=read       # vfs_read(), of 4242 bytes
//! insmod hook_exit.ko on=cmdline    # cmdline_proc_show()
//! insmod hook_exit.ko on=getsid     # __x64_sys_getsid()
//! insmod hook_exit.ko on=signal     # get_signal(), in which killed tasks end
//! cd /sys/kernel/debug/tackle/hook_exit
//! cat entries exits value mechanism
//! ```
//!
//! `value` is the return value of the last call. `mechanism` is the number of the trampoline, or
//! `fprobe`.

#![forbid(unsafe_code)]

use kernel::{
    bindings::{file, ksignal, loff_t},
    ffi::{c_char, c_int, c_long},
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{self, Arguments, Call, ExitHook, Mechanism, Return, TypedExit, TypedExitHandler},
    function::{
        targets::{CmdlineProcShow, Getsid},
        Function, Pointer, Returned,
    },
};

tackle::module! {
    type: HookExit,
    name: "hook_exit",
    authors: ["The Tackle developers"],
    description: "An exit hook that knows the prototype of its function",
    license: "GPL",
}

tackle::string_param! {
    /// The function to hook.
    static ON: StringParam<16> = "on", "read, cmdline, getsid or signal";
}

tackle::function! {
    VfsRead: fn vfs_read(*mut file, *mut c_char, usize, *mut loff_t) -> isize;
}

tackle::function! {
    GetSignal: fn get_signal(*mut ksignal) -> bool;
}

/// The size of the reads that are counted, in bytes.
const BYTES: usize = 4242;

static ENTRIES: Atomic<u64> = Atomic::new(0);
static EXITS: Atomic<u64> = Atomic::new(0);
static VALUE: Atomic<isize> = Atomic::new(0);

fn entry() -> Option<()> {
    ENTRIES.fetch_add(1, Relaxed);
    Some(())
}

fn exit(value: isize) {
    VALUE.store(value, Relaxed);
    EXITS.fetch_add(1, Relaxed);
}

struct Counting;

type ReadArguments<'a> = (
    Pointer<'a, *mut file>,
    Pointer<'a, *mut c_char>,
    usize,
    Pointer<'a, *mut loff_t>,
);

impl TypedExitHandler<VfsRead> for Counting {
    type Data = ();

    fn entry<'a>(&self, _call: &'a Call, (_, _, count, _): ReadArguments<'a>) -> Option<()> {
        (count == BYTES).then(entry).flatten()
    }

    fn exit(&self, _ret: &Return, value: isize, (): ()) {
        exit(value);
    }
}

fn from_int(value: c_int) -> isize {
    // CAST: An `int` fits into `isize`, which has 64 bits.
    value as isize
}

fn from_long(value: c_long) -> isize {
    value
}

fn from_bool(value: bool) -> isize {
    isize::from(value)
}

macro_rules! counting {
    ($($function:ident: $number:ident;)*) => {$(
        impl TypedExitHandler<$function> for Counting {
            type Data = ();

            fn entry<'a>(
                &self,
                _call: &'a Call,
                _arguments: Arguments<'a, $function>,
            ) -> Option<()> {
                entry()
            }

            fn exit<'a>(&self, _ret: &'a Return, value: Returned<'a, $function>, (): ()) {
                exit($number(value));
            }
        }
    )*};
}

counting! { CmdlineProcShow: from_int; Getsid: from_long; GetSignal: from_bool; }

type Hook<F> = Pin<KBox<ExitHook<TypedExit<F, Counting>>>>;

/// The hook, which is removed when this is dropped.
enum Any {
    Read(Hook<VfsRead>),
    Cmdline(Hook<CmdlineProcShow>),
    Getsid(Hook<Getsid>),
    Signal(Hook<GetSignal>),
}

fn hook<F: Function>() -> Result<Hook<F>>
where
    Counting: TypedExitHandler<F>,
{
    KBox::pin_init(ExitHook::typed(Counting), GFP_KERNEL)
}

impl Any {
    fn new() -> Result<Self> {
        Ok(match ON.value().to_bytes() {
            b"read" => Self::Read(hook()?),
            b"cmdline" => Self::Cmdline(hook()?),
            b"getsid" => Self::Getsid(hook()?),
            b"signal" => Self::Signal(hook()?),
            _ => {
                pr_err!("on={}: read, cmdline, getsid or signal\n", ON.value());
                return Err(EINVAL);
            }
        })
    }

    fn mechanism(&self) -> Option<Mechanism> {
        match self {
            Self::Read(hook) => hook.mechanism(),
            Self::Cmdline(hook) => hook.mechanism(),
            Self::Getsid(hook) => hook.mechanism(),
            Self::Signal(hook) => hook.mechanism(),
        }
    }
}

/// The files, and the hook whose counts they show.
struct HookExit {
    _files: Pin<KBox<Scope<Any>>>,
}

impl kernel::Module for HookExit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let any = Any::new().inspect_err(|&e| pr_err!("{}\n", ftrace::reason(e)))?;
        let root = debugfs::root()?;
        let files = root.scope(any, c"hook_exit", |any, dir| {
            dir.read_callback_file(c"entries", any, &|_: &Any, f| {
                writeln!(f, "{}", ENTRIES.load(Relaxed))
            });
            dir.read_callback_file(c"exits", any, &|_: &Any, f| {
                writeln!(f, "{}", EXITS.load(Relaxed))
            });
            dir.read_callback_file(c"value", any, &|_: &Any, f| {
                writeln!(f, "{}", VALUE.load(Relaxed))
            });
            dir.read_callback_file(c"mechanism", any, &|any: &Any, f| match any.mechanism() {
                Some(Mechanism::Trampoline(number)) => writeln!(f, "{number}"),
                Some(Mechanism::Fprobe) => writeln!(f, "fprobe"),
                None => writeln!(f, "none"),
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}
