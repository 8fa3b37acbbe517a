// SPDX-License-Identifier: GPL-2.0

//! Implements the data that each kind of hook collects, and the files that show it.

use kernel::{fmt, prelude::*, str::CString};
use tackle::{
    btf::{self, ReturnType},
    debugfs::{Dir, Scope, ScopedDir},
    filter::{Filter, Filtered},
    ftrace::{
        Call, EntryHandler, EntryHook, ExitHandler, ExitHook, HookRef, Mechanism, Misses, Return,
        Target,
    },
    percpu::Counter,
    time,
};
use tackle_core::hooks::{Histogram, Kind, Request, Returns, Values, MAX_VALUES};

type OnEntry<T> = EntryHook<Filtered<Collect<T>>>;
type OnExit<T> = ExitHook<Filtered<Collect<T>>>;
type WithFiles<T> = Pin<KBox<Scope<T>>>;

/// A hook and its files.
pub(crate) enum Hook {
    Count(WithFiles<OnEntry<()>>),
    Latency(WithFiles<OnExit<Histogram>>),
    Return(WithFiles<OnExit<Returned>>),
}

impl Hook {
    /// Hooks the function of `request`, with `filter` in front of the handler. The hook's files
    /// are in the directory `name` of `dir`. `returns` is the type of the function's return value.
    ///
    /// # Errors
    ///
    /// Returns `ENOMEM` if there is no memory, and the errors of the registrations.
    pub(crate) fn new(
        request: &Request<'_>,
        filter: Filter,
        returns: Returns,
        dir: &Dir,
        name: &CStr,
    ) -> Result<Self> {
        let function = CString::try_from_fmt(fmt!("{}", request.function))?;
        let mut target = Target::new(&function);
        if let Some(position) = request.position {
            target = target.position(position);
        }
        if request.when_loaded {
            target = target.when_loaded();
        }
        Ok(match request.kind {
            Kind::Count => {
                let collect = Filtered::new(filter, Collect::new(request, ())?);
                let hook = EntryHook::new(target, collect);
                let files = dir.scope(hook, name, common);
                Self::Count(KBox::pin_init(files, GFP_KERNEL)?)
            }
            Kind::Latency => {
                let collect = Filtered::new(filter, Collect::new(request, Histogram::new())?);
                let hook = ExitHook::new(target, collect);
                let files = dir.scope(hook, name, |hook, files| {
                    common(hook, files);
                    files.read_callback_file(c"histogram", hook, &|hook, f| {
                        histogram(&hook.collect().what, f)
                    });
                });
                Self::Latency(KBox::pin_init(files, GFP_KERNEL)?)
            }
            Kind::Return => {
                let returned = Returned {
                    values: Values::new(),
                    returns,
                };
                let collect = Filtered::new(filter, Collect::new(request, returned)?);
                let hook = ExitHook::new(target, collect);
                let files = dir.scope(hook, name, |hook, files| {
                    common(hook, files);
                    files.read_callback_file(c"values", hook, &|hook, f| {
                        values(&hook.collect().what, f)
                    });
                    files.read_callback_file(c"returns", hook, &|hook, f| {
                        writeln!(f, "{}", hook.collect().what.returns)
                    });
                });
                Self::Return(KBox::pin_init(files, GFP_KERNEL)?)
            }
        })
    }

    /// Returns a reference to the hook.
    pub(crate) fn reference(&self) -> HookRef<'_> {
        match self {
            Self::Count(hook) => hook.as_ref().data().hook(),
            Self::Latency(hook) => hook.as_ref().data().hook(),
            Self::Return(hook) => hook.as_ref().data().hook(),
        }
    }

    /// Writes the hook's line in the file `list`, without its name.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(hook) => {
                line(&***hook, f)?;
                match hook.trampoline() {
                    Some(n) => f.write_fmt(fmt!(" trampoline=tackle_ftrace_trampoline_{n}")),
                    None => f.write_str(" trampoline=ftrace"),
                }
            }
            Self::Latency(hook) => {
                line(&***hook, f)?;
                trampoline(hook.mechanism(), f)
            }
            Self::Return(hook) => {
                line(&***hook, f)?;
                trampoline(hook.mechanism(), f)?;
                let returns = hook.collect().what.returns;
                f.write_fmt(format_args!(" returns={returns}"))
            }
        }
    }
}

/// The request of a hook, and the data that it has collected.
pub(crate) struct Collect<T> {
    function: CString,
    kind: Kind,
    /// The conditions for the calls, as in the request.
    filter: CString,
    calls: Counter,
    what: T,
}

impl<T> Collect<T> {
    fn new(request: &Request<'_>, what: T) -> Result<Self> {
        Ok(Self {
            function: CString::try_from_fmt(fmt!("{}", request.function))?,
            kind: request.kind,
            filter: CString::try_from_fmt(format_args!("{}", request.filter))?,
            calls: Counter::new()?,
            what,
        })
    }
}

impl EntryHandler for Collect<()> {
    #[inline]
    fn entry(&self, _call: &Call) {
        self.calls.increment();
    }
}

impl ExitHandler for Collect<Histogram> {
    /// The time of the function's entry, in nanoseconds.
    type Data = u64;

    fn entry(&self, _call: &Call) -> Option<u64> {
        self.calls.increment();
        Some(time::mono_fast_ns())
    }

    fn exit(&self, _ret: &Return, start: u64) {
        self.what.add(time::mono_fast_ns().saturating_sub(start));
    }
}

/// The values that a function has returned.
pub(crate) struct Returned {
    values: Values,
    returns: Returns,
}

/// The return type of a function.
pub(crate) enum Type {
    Known(Returns),
    /// The function returns nothing, or a structure.
    Other,
    /// The type is not known, since the function's module is not loaded yet.
    Later,
}

/// Returns the type of the function's return value, from the request or else from BTF. The type is
/// the whole register as a signed number if neither has it, or if the hook does not need it.
///
/// # Errors
///
/// Returns `ENOMEM` if there is no memory.
pub(crate) fn returns(request: &Request<'_>) -> Result<Type> {
    const REGISTER: Returns = Returns::Signed(8);
    if request.kind != Kind::Return || request.returns.is_some() {
        return Ok(Type::Known(request.returns.unwrap_or(REGISTER)));
    }
    let function = CString::try_from_fmt(fmt!("{}", request.function))?;
    Ok(match btf::return_type(&function) {
        Some(ReturnType::Known(returns)) => Type::Known(returns),
        Some(ReturnType::Nothing | ReturnType::Other) => Type::Other,
        None if request.when_loaded => Type::Later,
        None => Type::Known(REGISTER),
    })
}

impl ExitHandler for Collect<Returned> {
    type Data = ();

    fn entry(&self, _call: &Call) -> Option<()> {
        self.calls.increment();
        Some(())
    }

    fn exit(&self, ret: &Return, (): ()) {
        let Returned { values, returns } = &self.what;
        // CAST: The value is the contents of a register, and keeps its bits.
        values.add(returns.value(ret.value() as u64));
    }
}

/// The data for the files that all hooks have.
trait Collecting: Send + Sync + 'static {
    type What;

    fn collect(&self) -> &Collect<Self::What>;
    fn missed(&self) -> Misses;
}

impl Collecting for OnEntry<()> {
    type What = ();

    fn collect(&self) -> &Collect<()> {
        self.handler().handler()
    }

    fn missed(&self) -> Misses {
        EntryHook::missed(self)
    }
}

impl<T> Collecting for OnExit<T>
where
    Collect<T>: ExitHandler,
{
    type What = T;

    fn collect(&self) -> &Collect<T> {
        self.handler().handler()
    }

    fn missed(&self) -> Misses {
        ExitHook::missed(self)
    }
}

/// Creates the files that all hooks have.
fn common<'data, H: Collecting>(hook: &'data H, files: &ScopedDir<'data, '_>) {
    files.read_callback_file(c"function", hook, &|hook: &H, f| {
        f.write_fmt(fmt!("{}\n", &*hook.collect().function))
    });
    files.read_callback_file(c"kind", hook, &|hook: &H, f| {
        f.write_fmt(fmt!("{}\n", hook.collect().kind.name()))
    });
    files.read_callback_file(c"calls", hook, &|hook: &H, f| {
        f.write_fmt(fmt!("{}\n", hook.collect().calls.sum()))
    });
    files.read_callback_file(c"missed", hook, &|hook: &H, f| {
        f.write_fmt(fmt!("{}\n", hook.missed().total()))
    });
    files.read_callback_file(c"recursion", hook, &|hook: &H, f| {
        f.write_fmt(fmt!("{}\n", hook.missed().recursion))
    });
    files.read_callback_file(c"no_room", hook, &|hook: &H, f| {
        f.write_fmt(fmt!("{}\n", hook.missed().no_room))
    });
}

/// Writes the part of a line in `list` that all hooks have.
fn line<H: Collecting>(hook: &H, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let collect = hook.collect();
    let (kind, calls, missed) = (collect.kind.name(), collect.calls.sum(), hook.missed());
    f.write_fmt(fmt!("{} {kind} calls={calls} ", &*collect.function))?;
    f.write_fmt(format_args!("{missed}"))?;
    f.write_fmt(fmt!("{}", &*collect.filter))
}

/// Writes the mechanism that calls a hook at the exit.
fn trampoline(mechanism: Option<Mechanism>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match mechanism {
        Some(Mechanism::Trampoline(n)) => {
            f.write_fmt(fmt!(" trampoline=tackle_ftrace_exit_trampoline_{n}"))
        }
        Some(Mechanism::Fprobe) => f.write_str(" trampoline=fgraph"),
        None => f.write_str(" trampoline=none"),
    }
}

fn histogram(histogram: &Histogram, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for bucket in histogram.buckets() {
        writeln!(f, "{bucket}")?;
    }
    Ok(())
}

fn values(returned: &Returned, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Returned { values, returns } = returned;
    let mut sorted = [(0, 0); MAX_VALUES];
    let len = values.sorted(&mut sorted);
    for (value, count) in sorted.iter().take(len) {
        f.write_fmt(format_args!("{} {count}\n", returns.show(*value)))?;
    }
    match values.other() {
        0 => Ok(()),
        other => f.write_fmt(fmt!("other {other}\n")),
    }
}
