// SPDX-License-Identifier: GPL-2.0

//! Implements typed hooks, which know the prototype of their function.

use super::{Call, EntryHandler, EntryHook, Target};
use crate::function::{Function, Prototype};
use core::marker::PhantomData;
use kernel::prelude::*;

/// The arguments of a call of `F`, as a tuple. A number stays a number. A pointer becomes a
/// [`Pointer`](crate::function::Pointer), which is valid while the handler runs.
pub type Arguments<'a, F> = <<F as Function>::Prototype as Prototype>::Arguments<'a>;

/// The handler of a typed hook at the entry of `F`: a type that implements this trait, or a
/// closure that takes a call and its arguments.
pub trait TypedEntryHandler<F: Function>: Send + Sync + 'static {
    /// Called at each entry of the function, as [`EntryHandler::entry`] and in its context.
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>);
}

impl<F: Function, C> TypedEntryHandler<F> for C
where
    C: for<'a> Fn(&'a Call, Arguments<'a, F>) + Send + Sync + 'static,
{
    #[inline]
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) {
        self(call, arguments)
    }
}

/// A handler with the function that it is for.
///
/// # Invariants
///
/// It is registered on `F` alone.
pub struct TypedEntry<F, H> {
    handler: H,
    _function: PhantomData<fn() -> F>,
}

impl<F, H> TypedEntry<F, H> {
    /// Returns the handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }
}

impl<F: Function, H: TypedEntryHandler<F>> EntryHandler for TypedEntry<F, H> {
    const IS_TYPED: bool = true;

    #[inline]
    fn entry(&self, call: &Call) {
        // SAFETY: By the type invariants this is a call of `F`. The call lasts longer than its
        // entry handler.
        let arguments = unsafe { F::Prototype::arguments(&call.arguments) };
        self.handler.entry(call, arguments);
    }
}

impl<F: Function, H: TypedEntryHandler<F>> EntryHook<TypedEntry<F, H>> {
    /// Creates an initialiser that hooks the function `F`.
    ///
    /// # Errors
    ///
    /// Those of [`EntryHook::new`].
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn typed(handler: H) -> impl PinInit<Self, Error> {
        // INVARIANT: Only this function makes a `TypedEntry`, and it hooks `F` with it.
        let handler = TypedEntry {
            handler,
            _function: PhantomData,
        };
        EntryHook::new(Target::of::<F>(), handler)
    }
}

/// Hooks a function. The compiler checks the prototype against that of the C header.
///
/// ```ignore
/// let hook = tackle::hook!(
///     vfs_read: fn(*mut file, *mut c_char, usize, *mut loff_t) -> isize,
///     move |call, (file, _buffer, count, _position)| bytes.add(count)
/// );
/// let hook = KBox::pin_init(hook, GFP_KERNEL)?;
/// ```
///
/// It declares the function by [`function!`](crate::function), for this hook only, and hooks it by
/// [`EntryHook::typed`](crate::ftrace::EntryHook::typed).
#[macro_export]
macro_rules! hook {
    (
        $name:ident: fn($($argument:ty),* $(,)?) $(-> $return:ty)?,
        $handler:expr $(,)?
    ) => {{
        $crate::function! {
            Hooked: fn $name($($argument),*) $(-> $return)?;
        }
        $crate::ftrace::typed_hook::<Hooked, _>($handler)
    }};
}

/// [`EntryHook::typed`] for a closure. Its bounds let the compiler infer the types of the
/// closure's arguments.
#[doc(hidden)]
pub fn typed_hook<F: Function, C>(handler: C) -> impl PinInit<EntryHook<TypedEntry<F, C>>, Error>
where
    C: for<'a> Fn(&'a Call, Arguments<'a, F>) + Send + Sync + 'static,
{
    EntryHook::typed(handler)
}
