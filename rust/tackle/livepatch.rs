// SPDX-License-Identifier: GPL-2.0

//! Live patching: kernel functions redirected to replacements in safe Rust.
//!
//! C header: [`include/linux/livepatch.h`](srctree/include/linux/livepatch.h), described
//! in `Documentation/livepatch/livepatch.rst` of the kernel.
//!
//! This stands on the kernel's livepatch core: its consistency model (each task changes
//! over where it cannot be inside an old function), its files under
//! `/sys/kernel/livepatch`, its module handling. A patch is on from the load of its
//! module; `echo 0 > /sys/kernel/livepatch/MODULE/enabled` takes it off, after which the
//! module can be unloaded.
//!
//! # How a replacement stays type-safe
//!
//! The livepatch core knows a function by its name alone. A [`Target`] ties that name to
//! the C prototype it has in the kernel's source, under an `unsafe impl` in the library; a
//! patch names a target and implements the safe trait of its prototype, such as
//! [`SeqShow`].

use crate::{bindings, fault};
use core::{cell::UnsafeCell, ptr};
use kernel::{
    error::{from_result, to_result},
    ffi::{c_int, c_void},
    prelude::*,
    seq_file::SeqFile,
    sync::atomic::{Acquire, Atomic, Release},
};

pub mod targets;

/// A kernel function that can be replaced, of the prototype `P`.
///
/// # Safety
///
/// In every kernel that the library is built for, the function `NAME` of vmlinux has the
/// C prototype that `P` stands for.
pub unsafe trait Target<P: ?Sized> {
    /// The function's name, as in `/proc/kallsyms`.
    const NAME: &'static CStr;
}

/// The prototype `int (*show)(struct seq_file *m, void *v)`.
pub struct SeqShowPrototype;

/// A replacement for a function that prints a file of procfs, sysfs or debugfs.
pub trait SeqShow {
    /// The function that is replaced.
    type Target: Target<SeqShowPrototype>;

    /// Prints the file's text to `m`.
    ///
    /// # Errors
    ///
    /// An errno goes to the reader, as from the function that is replaced.
    ///
    /// # Context
    ///
    /// A task reads the file: may sleep. Runs until the last task has left the patch.
    fn show(m: &SeqFile) -> Result;
}

/// One function of a patch.
///
/// # Invariants
///
/// `inner` names a function and a replacement of the same C prototype.
#[repr(transparent)]
pub struct Func {
    inner: UnsafeCell<bindings::klp_func>,
}

impl Func {
    /// Replaces `T::Target` with `T::show`.
    pub const fn seq_show<T: SeqShow>() -> Self {
        // INVARIANT: By `Target`'s safety requirement.
        Self::new(
            <T::Target as Target<SeqShowPrototype>>::NAME,
            seq_show::<T> as *const () as *mut c_void,
        )
    }

    const fn new(name: &'static CStr, replacement: *mut c_void) -> Self {
        let mut func: bindings::klp_func = pin_init::zeroed();
        func.old_name = kernel::str::as_char_ptr_in_const_context(name);
        func.new_func = replacement;
        Self {
            inner: UnsafeCell::new(func),
        }
    }
}

/// The functions of a patch, as the livepatch core walks them.
///
/// # Invariants
///
/// `end` has no name, which ends the list.
#[repr(C)]
pub struct Funcs<const N: usize> {
    funcs: [Func; N],
    end: Func,
}

impl<const N: usize> Funcs<N> {
    /// Makes the list of `funcs`, of which there must be one at least.
    pub const fn new(funcs: [Func; N]) -> Self {
        assert!(N > 0, "a patch has at least one function");
        Self {
            funcs,
            // INVARIANT: The null name.
            end: Func {
                inner: UnsafeCell::new(pin_init::zeroed()),
            },
        }
    }
}

/// The C side of [`SeqShow::show`].
///
/// # Safety
///
/// Called by the livepatch core's redirection alone, in the place of a function of the
/// prototype [`SeqShowPrototype`].
unsafe extern "C" fn seq_show<T: SeqShow>(
    m: *mut kernel::bindings::seq_file,
    _v: *mut c_void,
) -> c_int {
    // SAFETY: The caller of the old function passed a valid `seq_file`, which it has
    // locked for the time of the call.
    let m = unsafe { SeqFile::from_raw(m) };
    from_result(|| T::show(m).map(|()| 0))
}

/// A live patch of functions of vmlinux. Lives in a static: the kernel keeps a pointer to
/// it until the module is gone.
///
/// Declared with [`livepatch!`](crate::livepatch).
///
/// # Invariants
///
/// - `objects[0].funcs` points at a static [`Funcs`]; `objects[1]` ends the list.
/// - After `enabled` was set, only the livepatch core changes the other fields.
pub struct Patch {
    patch: UnsafeCell<bindings::klp_patch>,
    objects: UnsafeCell<[bindings::klp_object; 2]>,
    enabled: Atomic<bool>,
}

// SAFETY: `enabled` sees to it that one thread at most sets the structures up; then the
// livepatch core guards them with its mutex.
unsafe impl Sync for Patch {}
// SAFETY: As above; a `Func` has no methods that read or change it.
unsafe impl Sync for Func {}

impl Patch {
    /// Creates a patch of the functions `funcs`.
    pub const fn new<const N: usize>(funcs: &'static Funcs<N>) -> Self {
        let mut object: bindings::klp_object = pin_init::zeroed();
        // CAST: `Funcs` is an array of `Func`, each transparent over `UnsafeCell<klp_func>`.
        object.funcs = ptr::from_ref(funcs).cast_mut().cast();
        // INVARIANT: By the type invariants of `Funcs`; the zeroed object ends the list.
        Self {
            patch: UnsafeCell::new(pin_init::zeroed()),
            objects: UnsafeCell::new([object, pin_init::zeroed()]),
            enabled: Atomic::new(false),
        }
    }

    /// Enables the patch: to be called from the init function of the module that holds it.
    ///
    /// It returns when the transition has begun, not when every task has changed over;
    /// `/sys/kernel/livepatch/MODULE/transition` tells. The core holds a reference to the
    /// module until the patch is disabled again.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the patch was enabled before.
    /// - `EINVAL`: the module is not marked as a live patch (`livepatch!` does that), or
    ///   a function's name stands for several symbols.
    /// - `ENOENT`: a function is not in the kernel.
    /// - `ENOMEM`, and what the livepatch core returns else.
    ///
    /// # Context
    ///
    /// May sleep; takes the livepatch core's mutex.
    pub fn enable(&'static self, module: &'static ThisModule) -> Result {
        if self.enabled.cmpxchg(false, true, Acquire).is_err() {
            return Err(EBUSY);
        }
        let patch = self.patch.get();
        // SAFETY: `enabled` was not set: nobody else knows the structure.
        unsafe {
            (*patch).mod_ = module.as_ptr();
            (*patch).objs = self.objects.get().cast();
        }
        let result = fault::KLP_ENABLE_PATCH.check().and_then(|()| {
            // SAFETY: By the type invariants the patch and what it points at are valid, and
            // they are static; the core holds the module, and with it the code, while it
            // uses them.
            to_result(unsafe { bindings::klp_enable_patch(patch) })
        });
        if result.is_err() {
            // The core has let go of the structures, or has not begun to use them.
            self.enabled.store(false, Release);
        }
        result
    }
}

/// Declares a module that is a live patch.
///
/// Takes what `module!` takes, less the type, and the functions to patch. The patch is
/// enabled when the module is loaded.
///
/// ```ignore
/// livepatch! {
///     name: "livepatch_cmdline",
///     authors: ["..."],
///     description: "...",
///     license: "GPL",
///     funcs: [Func::seq_show::<Cmdline>()],
/// }
/// ```
#[macro_export]
macro_rules! livepatch {
    (
        name: $name:literal,
        authors: $authors:tt,
        description: $description:literal,
        license: $license:literal,
        funcs: [$($func:expr),+ $(,)?],
    ) => {
        ::kernel::prelude::module! {
            type: LivePatch,
            name: $name,
            authors: $authors,
            description: $description,
            license: $license,
        }
        // What makes the module loader and the livepatch core take it for a patch.
        $crate::modinfo!("livepatch=Y");

        static LIVEPATCH_FUNCS: $crate::livepatch::Funcs<{ [$(::core::stringify!($func)),+].len() }> =
            $crate::livepatch::Funcs::new([$($func),+]);
        static LIVEPATCH: $crate::livepatch::Patch =
            $crate::livepatch::Patch::new(&LIVEPATCH_FUNCS);

        struct LivePatch;

        impl ::kernel::Module for LivePatch {
            fn init(module: &'static ::kernel::ThisModule) -> ::kernel::error::Result<Self> {
                LIVEPATCH.enable(module)?;
                Ok(Self)
            }
        }
    };
}
