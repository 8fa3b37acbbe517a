// SPDX-License-Identifier: GPL-2.0

//! Implements a raw spinlock, for hooks on functions whose callers hold a raw spinlock.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! The kernel's crate supports only `spinlock_t`. Lockdep reports an error if a `spinlock_t` is
//! taken while a `raw_spinlock_t` is held, such as `pi_lock` while a task is woken up. The reason
//! is that a `spinlock_t` sleeps on a kernel with `PREEMPT_RT`.

use crate::bindings;
use kernel::{
    bindings::{lock_class_key, raw_spinlock_t},
    ffi::c_char,
    sync::lock::{Backend, Lock},
};

/// A raw spinlock. Interrupts of the CPU are disabled while it is held.
///
/// # Context
///
/// Any but an NMI.
pub type RawSpinLock<T> = Lock<T, RawSpinLockBackend>;

/// Creates a [`RawSpinLock`] initialiser with a name and a lock class.
#[macro_export]
macro_rules! new_raw_spinlock {
    ($inner:expr, $name:literal $(,)?) => {
        $crate::lock::RawSpinLock::new(
            $inner,
            ::kernel::optional_name!($name),
            ::kernel::static_lock_class!(),
        )
    };
}
pub use new_raw_spinlock;

/// The functions of a `raw_spinlock_t`.
pub struct RawSpinLockBackend;

// SAFETY: The functions of `raw_spinlock_t` ensure mutual exclusion, of interrupts on the same CPU
// too. `relock` uses the default implementation, which calls the same function as `lock`.
unsafe impl Backend for RawSpinLockBackend {
    type State = raw_spinlock_t;
    type GuardState = ();

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut lock_class_key) {
        // SAFETY: By the function's requirements `ptr` is valid for writes, and the other two are
        // valid for ever.
        unsafe { bindings::raw_spin_lock_init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By the function's requirements the lock is initialised.
        unsafe { bindings::raw_spin_lock_irq_disable(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: By the function's requirements the lock is initialised.
        (unsafe { bindings::raw_spin_trylock_irq_disable(ptr) } != 0).then_some(())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: By the function's requirements the caller owns the lock.
        unsafe { bindings::raw_spin_unlock_irq_enable(ptr) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: By the function's requirements the lock is initialised.
        unsafe { bindings::raw_spin_assert_is_held(ptr) }
    }
}
