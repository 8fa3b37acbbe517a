// SPDX-License-Identifier: GPL-2.0

//! Never drops its hooks and its file. There is a hook of each kind, on functions of the kernel and
//! of `rig_twin_a`, which must be loaded.
//!
//! ```sh
//! insmod rig_twin_a.ko
//! insmod hook_forget.ko
//! rmmod hook_forget
//! echo 1 > /sys/module/rig_twin_a/parameters/call
//! ```

#![forbid(unsafe_code)]

#[path = "forget.rs"]
mod forget;

use forget::forget;
use kernel::prelude::*;
use tackle::{
    debugfs,
    ftrace::{
        Arguments, Call, DirectHandler, DirectHook, EntryHandler, EntryHook, ExitHandler, ExitHook,
        OverrideHandler, OverrideHook, Return,
    },
    function::{targets::Getpid, Original, Pointer, Returned},
};

tackle::module! {
    type: HookForget,
    name: "hook_forget",
    authors: ["The Tackle developers"],
    description: "Hooks that are never dropped",
    license: "GPL",
}

const FUNCTION: &CStr = c"rig_twin_a:rig_twin_call";

struct Nothing;

impl EntryHandler for Nothing {
    fn entry(&self, _call: &Call) {}
}

impl DirectHandler for Nothing {
    fn entry(_arguments: [usize; 6], _parent_ip: usize) {}
}

impl ExitHandler for Nothing {
    type Data = ();

    fn entry(&self, _call: &Call) -> Option<()> {
        Some(())
    }

    fn exit(&self, _ret: &Return, (): ()) {}
}

impl OverrideHandler<Getpid> for Nothing {
    fn entry<'a>(
        &self,
        _call: &'a Call,
        _arguments: Arguments<'a, Getpid>,
    ) -> Option<Returned<'a, Getpid>> {
        None
    }
}

fn meminfo(
    original: Original<'_, tackle::function::targets::MeminfoProcShow>,
    _: Pointer<'_, *mut kernel::bindings::seq_file>,
    _: Pointer<'_, *mut kernel::ffi::c_void>,
) -> kernel::ffi::c_int {
    original.call()
}

/// Creates the file. This is a function of its own, because otherwise a symbol would have a name so
/// long that there is a warning.
fn file() -> Result<Pin<KBox<debugfs::Scope<Nothing>>>> {
    let root = debugfs::root()?;
    let files = root.scope(Nothing, c"hook_forget", |nothing, dir| {
        dir.read_callback_file(c"file", nothing, &|_: &Nothing, f| writeln!(f, "nothing"));
    });
    KBox::pin_init(files, GFP_KERNEL)
}

struct HookForget;

impl kernel::Module for HookForget {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let hook = EntryHook::new(FUNCTION, Nothing);
        forget(KBox::pin_init(hook, GFP_KERNEL)?);
        let exit = ExitHook::new(FUNCTION, Nothing);
        forget(KBox::pin_init(exit, GFP_KERNEL)?);
        let direct = DirectHook::<Nothing>::new(c"__x64_sys_getppid");
        forget(KBox::pin_init(direct, GFP_KERNEL)?);
        let skip = OverrideHook::<Getpid, _>::new(Nothing);
        forget(KBox::pin_init(skip, GFP_KERNEL)?);
        let redirect = tackle::redirect!(tackle::function::targets::MeminfoProcShow => meminfo);
        forget(KBox::pin_init(redirect, GFP_KERNEL)?);
        forget(file()?);
        Ok(Self)
    }
}
