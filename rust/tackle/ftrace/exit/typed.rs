// SPDX-License-Identifier: GPL-2.0

//! Implements typed exit hooks, which know the prototype of their function.

use super::{ExitHandler, ExitHook, Return};
use crate::{
    ftrace::{Arguments, Call, Target},
    function::{Function, Prototype, Returned, Value},
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// The handler of a typed hook at the entry and the exit of `F`.
pub trait TypedExitHandler<F: Function>: Send + Sync + 'static {
    /// As [`ExitHandler::Data`].
    type Data: Copy + Send;

    /// Called at each entry of the function, as [`ExitHandler::entry`] and in its context.
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<Self::Data>;

    /// Called when that call has returned `value`, as [`ExitHandler::exit`] and in its context.
    fn exit<'a>(&self, ret: &'a Return, value: Returned<'a, F>, data: Self::Data);
}

/// A handler with the function that it is for.
///
/// # Invariants
///
/// Its hook is on `F` alone.
pub struct TypedExit<F, H> {
    handler: H,
    _function: PhantomData<fn() -> F>,
}

impl<F, H> TypedExit<F, H> {
    /// Returns the handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }
}

impl<F: Function, H: TypedExitHandler<F>> ExitHandler for TypedExit<F, H> {
    type Data = H::Data;

    #[inline]
    fn entry(&self, call: &Call) -> Option<H::Data> {
        // SAFETY: By the type invariants this is a call of `F`. The call lasts longer than its
        // entry handler.
        let arguments = unsafe { F::Prototype::arguments(&call.arguments) };
        self.handler.entry(call, arguments)
    }

    #[inline]
    fn exit(&self, ret: &Return, data: H::Data) {
        let value = <F::Prototype as Prototype>::Return::from_register(ret.value);
        // SAFETY: By the type invariants `F` has returned this value, so it is of this type. The
        // caller of `F` gets the value only after the handler has returned.
        let value = unsafe { value.returned() };
        self.handler.exit(ret, value, data);
    }
}

impl<F: Function, H: TypedExitHandler<F>> ExitHook<TypedExit<F, H>> {
    /// Creates an initialiser that hooks the function `F`.
    ///
    /// # Errors
    ///
    /// Those of [`ExitHook::new`].
    ///
    /// # Context
    ///
    /// The initialiser may sleep.
    pub fn typed(handler: H) -> impl PinInit<Self, Error> {
        // INVARIANT: Only this function makes a `TypedExit`, and it hooks `F` with it.
        let handler = TypedExit {
            handler,
            _function: PhantomData,
        };
        // `true`: a `Prototype` has no more arguments than there are argument registers.
        ExitHook::with(Target::of::<F>(), handler, true)
    }
}
