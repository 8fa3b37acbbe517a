// SPDX-License-Identifier: GPL-2.0

//! Implements hooks that do nothing, to measure the cost of a hook.
//!
//! ```sh
//! insmod bench_tracee.ko
//! insmod bench_others.ko
//! insmod hook_bench.ko hooks=2 irrelevant=100
//! cat /sys/kernel/debug/bench_tracee/ns
//! ```
//!
//! The C equivalent of `kind=ops`, the default, is `ops_func_nop` of the kernel's
//! `samples/ftrace/ftrace-ops.c`. The function calls a `direct` hook itself. An `exit` hook is
//! called at the function's entry and exit. With `skip`, the function returns at once. With
//! `redirect`, its calls continue in another function. The C equivalent of the last two is
//! `redirect_bench.c`.

#![forbid(unsafe_code)]

use kernel::{prelude::*, str::CString};
use tackle::{
    ftrace::{
        self, Arguments, Call, DirectHandler, DirectHook, EntryHandler, EntryHook, ExitHook,
        OverrideHandler, OverrideHook, Redirect, Return, Targets, TypedExit, TypedExitHandler,
    },
    function::Original,
    symbol,
};

tackle::module! {
    type: HookBench,
    name: "hook_bench",
    authors: ["The Tackle developers"],
    description: "Hooks that do nothing, on the function of bench_tracee",
    license: "GPL",
    params: {
        hooks: u32 {
            default: 1,
            description: "How many hooks to put on the function",
        },
        irrelevant: u32 {
            default: 0,
            description: "How many functions of bench_others to put a hook on",
        },
    },
}

tackle::string_param! {
    /// The kind of the hooks on the function.
    static KIND: StringParam<16> = "kind", "ops (default), direct, exit, skip or redirect";
}

tackle::header! {
    mod tracee_h = "qemu-test/bench/modules/bench_tracee";

    Tracee: fn tracee(), replaceable;
}

const TRACEE: &CStr = c"bench_tracee:tracee";

struct Nop;

impl EntryHandler for Nop {
    #[inline]
    fn entry(&self, _call: &Call) {}
}

impl DirectHandler for Nop {
    #[inline]
    fn entry(_arguments: [usize; ftrace::MAX_ARGUMENTS], _parent_ip: usize) {}
}

impl TypedExitHandler<Tracee> for Nop {
    type Data = ();

    #[inline]
    fn entry(&self, _call: &Call, (): ()) -> Option<()> {
        Some(())
    }

    #[inline]
    fn exit(&self, _ret: &Return, (): (), (): ()) {}
}

impl OverrideHandler<Tracee> for Nop {
    #[inline]
    fn entry(&self, _call: &Call, _arguments: Arguments<'_, Tracee>) -> Option<()> {
        Some(())
    }
}

type Boxed<T> = Pin<KBox<T>>;

/// A hook, which is removed when this is dropped.
enum Hook {
    Ops(#[expect(dead_code)] Boxed<EntryHook<Nop>>),
    Direct(#[expect(dead_code)] Boxed<DirectHook<Nop>>),
    Exit(#[expect(dead_code)] Boxed<ExitHook<TypedExit<Tracee, Nop>>>),
    Skip(#[expect(dead_code)] Boxed<OverrideHook<Tracee, Nop>>),
    Redirect(#[expect(dead_code)] Boxed<Redirect>),
}

fn replacement(_: Original<'_, Tracee>) {}

impl Hook {
    fn new() -> Result<Self> {
        Ok(match KIND.value().to_bytes() {
            b"" | b"ops" => Self::Ops(ops(TRACEE)?),
            b"direct" => Self::Direct(KBox::pin_init(DirectHook::new(TRACEE), GFP_KERNEL)?),
            b"exit" => Self::Exit(KBox::pin_init(ExitHook::typed(Nop), GFP_KERNEL)?),
            b"skip" => Self::Skip(KBox::pin_init(OverrideHook::new(Nop), GFP_KERNEL)?),
            b"redirect" => {
                let redirect = tackle::redirect!(Tracee => replacement);
                Self::Redirect(KBox::pin_init(redirect, GFP_KERNEL)?)
            }
            _ => {
                pr_err!(
                    "kind={}: ops, direct, exit, skip or redirect\n",
                    KIND.value()
                );
                return Err(EINVAL);
            }
        })
    }
}

fn ops(function: &CStr) -> Result<Boxed<EntryHook<Nop>>> {
    KBox::pin_init(EntryHook::new(function, Nop), GFP_KERNEL)
        .inspect_err(|&e| pr_err!("{function}: {}\n", ftrace::reason(e)))
}

/// Returns a hook on the function `number` of `bench_others`.
fn other(number: u32) -> Result<Boxed<EntryHook<Nop>>> {
    let name = CString::try_from_fmt(fmt!("bench_others:bench_other_{number:03}"))?;
    // Hook the address, because a name would be searched among all functions each time.
    let address = [symbol::lookup(&name)?];
    let hook = EntryHook::new(Targets::Addresses(&address), Nop);
    KBox::pin_init(hook, GFP_KERNEL)
}

struct HookBench {
    _hooks: KVec<Hook>,
    _irrelevant: KVVec<Boxed<EntryHook<Nop>>>,
}

impl kernel::Module for HookBench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut hooks = KVec::new();
        for _ in 0..module_parameters::hooks.value() {
            hooks.push(Hook::new()?, GFP_KERNEL)?;
        }
        let mut irrelevant = KVVec::new();
        for number in 0..module_parameters::irrelevant.value() {
            irrelevant.push(other(number)?, GFP_KERNEL)?;
        }
        Ok(Self {
            _hooks: hooks,
            _irrelevant: irrelevant,
        })
    }
}
