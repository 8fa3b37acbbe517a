// SPDX-License-Identifier: GPL-2.0

//! Implements `hook_module!`, which declares a module that hooks one function.

use crate::{
    debugfs::{self, Scope, ScopedDir},
    filter::{self, Filter, Filtered},
    ftrace::{self, Call, EntryHandler, EntryHook, ExitHandler, ExitHook, Return},
};
use kernel::{fmt, prelude::*};
use tackle_core::hooks::FilterSpec;

/// A module that [`hook_module!`](crate::hook_module) declares.
#[doc(hidden)]
pub trait HookModule: Send + Sync + 'static {
    const NAME: &'static CStr;
    type State: Send + Sync + 'static;

    fn state() -> Result<Self::State>;
    fn files<'data, H: HasState<Self::State>>(hook: &'data H, dir: &ScopedDir<'data, '_>);
}

/// A module with a hook at the entry.
#[doc(hidden)]
pub trait EntryModule: HookModule {
    fn entry(state: &Self::State, call: &Call);
}

/// A module with a hook at the entry and the exit.
#[doc(hidden)]
pub trait ExitModule: HookModule {
    type Data: Copy + Send;

    fn entry(state: &Self::State, call: &Call) -> Option<Self::Data>;
    fn exit(state: &Self::State, ret: &Return, data: Self::Data);
}

/// The handler of the hook.
#[doc(hidden)]
pub struct Hooked<M: HookModule>(M::State);

impl<M: EntryModule> EntryHandler for Hooked<M> {
    #[inline]
    fn entry(&self, call: &Call) {
        M::entry(&self.0, call)
    }
}

impl<M: ExitModule> ExitHandler for Hooked<M> {
    type Data = M::Data;

    #[inline]
    fn entry(&self, call: &Call) -> Option<M::Data> {
        M::entry(&self.0, call)
    }

    #[inline]
    fn exit(&self, ret: &Return, data: M::Data) {
        M::exit(&self.0, ret, data)
    }
}

/// A hook whose handler has a state.
#[doc(hidden)]
pub trait HasState<S>: Send + Sync + 'static {
    fn state(&self) -> &S;
}

impl<M: EntryModule> HasState<M::State> for EntryHook<Filtered<Hooked<M>>> {
    fn state(&self) -> &M::State {
        &self.handler().handler().0
    }
}

impl<M: ExitModule> HasState<M::State> for ExitHook<Filtered<Hooked<M>>> {
    fn state(&self) -> &M::State {
        &self.handler().handler().0
    }
}

/// Writes a line to the log, with the name of the module before it.
#[doc(hidden)]
pub type Log = fn(fmt::Arguments<'_>);

type Files<H> = Pin<KBox<Scope<H>>>;

/// The files of a module with a hook at the entry, and the hook.
#[doc(hidden)]
pub struct Entry<M: EntryModule> {
    _files: Files<EntryHook<Filtered<Hooked<M>>>>,
}

impl<M: EntryModule> Entry<M> {
    pub fn new(function: &'static CStr, tgid: u32, log: Log) -> Result<Self> {
        let hook = EntryHook::new(named(function, log)?, handler::<M>(tgid, log)?);
        Ok(Self {
            _files: files::<M, _>(function, hook, log)?,
        })
    }
}

/// The files of a module with a hook at the exit, and the hook.
#[doc(hidden)]
pub struct Exit<M: ExitModule> {
    _files: Files<ExitHook<Filtered<Hooked<M>>>>,
}

impl<M: ExitModule> Exit<M> {
    pub fn new(function: &'static CStr, tgid: u32, log: Log) -> Result<Self> {
        let hook = ExitHook::new(named(function, log)?, handler::<M>(tgid, log)?);
        Ok(Self {
            _files: files::<M, _>(function, hook, log)?,
        })
    }
}

/// Returns `function`, or logs an error and returns `EINVAL` if it is empty.
fn named(function: &'static CStr, log: Log) -> Result<&'static CStr> {
    if function.is_empty() {
        log(format_args!(
            "function= is missing: name the kernel function to hook"
        ));
        return Err(EINVAL);
    }
    Ok(function)
}

fn handler<M: HookModule>(tgid: u32, log: Log) -> Result<Filtered<Hooked<M>>> {
    let spec = FilterSpec {
        tgid: (tgid != 0).then_some(tgid),
        ..FilterSpec::default()
    };
    let filter = Filter::new(&spec)
        .inspect_err(|&e| log(format_args!("tgid={tgid}: {}", filter::reason(e))))?;
    Ok(Filtered::new(filter, Hooked(M::state()?)))
}

fn files<M: HookModule, H: HasState<M::State>>(
    function: &CStr,
    hook: impl PinInit<H, Error>,
    log: Log,
) -> Result<Files<H>> {
    let root = debugfs::root()?;
    let files = root.scope(hook, M::NAME, |hook, dir| M::files(hook, dir));
    KBox::pin_init(files, GFP_KERNEL).inspect_err(|&e| {
        log(fmt!("function={function}: {}", ftrace::reason(e)));
    })
}

/// Declares a module that hooks one function, which is named when the module is loaded.
///
/// ```ignore
/// tackle::hook_module! {
///     name: "hook_count",
///     description: "Counts the calls of a kernel function",
///     state: Counter = Counter::new()?,
///     entry: |calls, _call| calls.increment(),
///     files: { calls: |calls, f| writeln!(f, "{}", calls.sum()) },
/// }
/// ```
///
/// All keys are required, in this order.
///
/// `state` is the type of the data that the handlers share, and an expression that creates it.
/// `entry` gets a reference to the state and the [`Call`](crate::ftrace::Call). Each of `files` is
/// a file in `/sys/kernel/debug/tackle/NAME/`, whose function writes its text.
///
/// With `data: TYPE` and `exit`, the hook is an [`ExitHook`](crate::ftrace::ExitHook): `entry`
/// returns an `Option<TYPE>`, and `exit` gets the [`Return`](crate::ftrace::Return) and the data.
///
/// The module has the parameters `function` and `tgid`. With `tgid` the handlers run only for the
/// calls of this process; 0 stands for all processes. The licence is GPL, as that of the library.
///
/// # Errors
///
/// When the module is loaded:
///
/// - `EINVAL`: `function` is missing, or cannot be traced.
/// - The errors of [`EntryHook::new`](crate::ftrace::EntryHook::new),
///   [`ExitHook::new`](crate::ftrace::ExitHook::new) and
///   [`Filter::new`](crate::filter::Filter::new). The reason of all these is logged.
/// - The errors of the expression of `state`.
#[macro_export]
macro_rules! hook_module {
    (
        name: $name:literal,
        description: $description:literal,
        state: $state:ty = $new:expr,
        entry: |$entry_state:pat_param, $call:pat_param| $entry:expr,
        files: { $($file:ident: |$show_state:pat_param, $f:pat_param| $show:expr),* $(,)? } $(,)?
    ) => {
        $crate::hook_module! {
            @common Entry, $name, $description, $state, $new,
            { $($file: |$show_state, $f| $show),* }
        }

        impl $crate::hook_module::EntryModule for Hook {
            #[inline]
            fn entry($entry_state: &$state, $call: &$crate::ftrace::Call) {
                $entry
            }
        }
    };
    (
        name: $name:literal,
        description: $description:literal,
        state: $state:ty = $new:expr,
        data: $data:ty,
        entry: |$entry_state:pat_param, $call:pat_param| $entry:expr,
        exit: |$exit_state:pat_param, $ret:pat_param, $value:pat_param| $exit:expr,
        files: { $($file:ident: |$show_state:pat_param, $f:pat_param| $show:expr),* $(,)? } $(,)?
    ) => {
        $crate::hook_module! {
            @common Exit, $name, $description, $state, $new,
            { $($file: |$show_state, $f| $show),* }
        }

        impl $crate::hook_module::ExitModule for Hook {
            type Data = $data;

            #[inline]
            fn entry(
                $entry_state: &$state,
                $call: &$crate::ftrace::Call,
            ) -> $crate::__private::core::option::Option<$data> {
                $entry
            }

            #[inline]
            fn exit($exit_state: &$state, $ret: &$crate::ftrace::Return, $value: $data) {
                $exit
            }
        }
    };
    (
        @common $kind:ident, $name:literal, $description:literal, $state:ty, $new:expr,
        { $($file:ident: |$show_state:pat_param, $f:pat_param| $show:expr),* }
    ) => {
        $crate::module! {
            type: HookModule,
            name: $name,
            description: $description,
            license: "GPL",
            params: {
                tgid: u32 {
                    default: 0,
                    description: "Process whose calls the hook sees; 0: all",
                },
            },
        }

        $crate::string_param! {
            static FUNCTION: StringParam<512> = "function", "Kernel function to hook";
        }

        struct Hook;

        impl $crate::hook_module::HookModule for Hook {
            const NAME: &'static $crate::__private::kernel::str::CStr =
                $crate::__private::kernel::c_str!($name);
            type State = $state;

            fn state() -> $crate::__private::kernel::error::Result<$state> {
                $crate::__private::core::result::Result::Ok($new)
            }

            fn files<'data, H: $crate::hook_module::HasState<$state>>(
                hook: &'data H,
                dir: &$crate::debugfs::ScopedDir<'data, '_>,
            ) {
                $(
                    dir.read_callback_file(
                        $crate::__private::kernel::c_str!(
                            $crate::__private::core::stringify!($file)
                        ),
                        hook,
                        &|hook: &H, $f| {
                            let $show_state = hook.state();
                            $show
                        },
                    );
                )*
            }
        }

        struct HookModule(#[expect(dead_code)] $crate::hook_module::$kind<Hook>);

        impl $crate::__private::kernel::Module for HookModule {
            fn init(
                _: &'static $crate::__private::kernel::ThisModule,
            ) -> $crate::__private::kernel::error::Result<Self> {
                let tgid = module_parameters::tgid.value();
                $crate::__private::core::result::Result::map(
                    $crate::hook_module::$kind::new(FUNCTION.value(), tgid, |text| {
                        $crate::__private::kernel::pr_err!("{text}\n")
                    }),
                    Self,
                )
            }
        }
    };
}
