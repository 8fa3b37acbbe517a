// SPDX-License-Identifier: GPL-2.0

//! Adds a hook of a kind of which a function can have only one: a direct hook, a hook that leaves
//! `/proc/cmdline` empty, or a hook that makes getsid() return 4242.
//!
//! ```sh
//! insmod hook_exclusive.ko kind=direct function=__x64_sys_getsid
//! insmod hook_exclusive.ko kind=skip    # of cmdline_proc_show
//! insmod hook_exclusive.ko kind=value   # of __x64_sys_getsid
//! cat /sys/kernel/debug/tackle/hook_exclusive/calls
//! ```
//!
//! If the function already has such a hook, loading fails with `EBUSY`.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{
        Arguments, Call, DirectHandler, DirectHook, OverrideHandler, OverrideHook, MAX_ARGUMENTS,
    },
    function::{
        targets::{CmdlineProcShow, Getsid},
        Returned,
    },
};

tackle::module! {
    type: HookExclusive,
    name: "hook_exclusive",
    authors: ["The Tackle developers"],
    description: "A hook of a kind of which a function can have one",
    license: "GPL",
}

tackle::string_param! {
    /// The kind of the hook.
    static KIND: StringParam<16> = "kind", "direct, skip or value";
}

tackle::string_param! {
    /// The function to hook.
    static FUNCTION: StringParam<512> = "function", "Kernel function for kind=direct";
}

/// The number of calls that the hook has seen.
static CALLS: Atomic<u64> = Atomic::new(0);

struct Counting;

impl DirectHandler for Counting {
    fn entry(_arguments: [usize; MAX_ARGUMENTS], _parent_ip: usize) {
        CALLS.fetch_add(1, Relaxed);
    }
}

impl OverrideHandler<CmdlineProcShow> for Counting {
    fn entry<'a>(
        &self,
        _call: &'a Call,
        _arguments: Arguments<'a, CmdlineProcShow>,
    ) -> Option<Returned<'a, CmdlineProcShow>> {
        CALLS.fetch_add(1, Relaxed);
        // Return success without printing anything.
        Some(0)
    }
}

impl OverrideHandler<Getsid> for Counting {
    fn entry<'a>(
        &self,
        _call: &'a Call,
        _arguments: Arguments<'a, Getsid>,
    ) -> Option<Returned<'a, Getsid>> {
        CALLS.fetch_add(1, Relaxed);
        Some(4242)
    }
}

/// A hook, which is removed when this is dropped.
enum Hook {
    Direct(#[expect(dead_code)] Pin<KBox<DirectHook<Counting>>>),
    Skip(#[expect(dead_code)] Pin<KBox<OverrideHook<CmdlineProcShow, Counting>>>),
    Value(#[expect(dead_code)] Pin<KBox<OverrideHook<Getsid, Counting>>>),
}

impl Hook {
    fn new() -> Result<Self> {
        Ok(match KIND.value().to_bytes() {
            b"direct" => Self::Direct(KBox::pin_init(
                DirectHook::new(FUNCTION.value()),
                GFP_KERNEL,
            )?),
            b"skip" => Self::Skip(KBox::pin_init(OverrideHook::new(Counting), GFP_KERNEL)?),
            b"value" => Self::Value(KBox::pin_init(OverrideHook::new(Counting), GFP_KERNEL)?),
            _ => {
                pr_err!("kind={}: direct, skip or value\n", KIND.value());
                return Err(EINVAL);
            }
        })
    }
}

/// The file, and the hook whose count it shows.
struct HookExclusive {
    _files: Pin<KBox<Scope<Hook>>>,
}

impl kernel::Module for HookExclusive {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let hook = Hook::new()?;
        let root = debugfs::root()?;
        let files = root.scope(hook, c"hook_exclusive", |hook, dir| {
            dir.read_callback_file(c"calls", hook, &|_, f| {
                writeln!(f, "{}", CALLS.load(Relaxed))
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}
