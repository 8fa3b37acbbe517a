// SPDX-License-Identifier: GPL-2.0

//! Implements the table of the functions whose exit hooks use a trampoline of the library.
//!
//! A hook is removed as soon as the chain of its function does not have it any more. A task that
//! sleeps in the function returns to the trampoline later, which then does not run the hook. Until
//! then the trampoline is not used for another function, and the library stays loaded.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h),
//! `register_ftrace_direct()`

use super::{
    chain::{ExitChain, ExitNode},
    dead::DeadTasks,
    slot::{self, Pool, Trampoline},
};
use crate::{
    bindings, fault,
    ftrace::{
        ops::{self, Registered},
        slot::Header,
    },
    library,
};
use core::{
    marker::PhantomPinned,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{error::to_result, ffi::c_ulong, new_mutex, prelude::*, sync::Mutex, types::Opaque};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static SITES: Mutex<Sites> = Sites {
        pool: Pool::new(),
        sites: KVec::new(),
        leaving: KVec::new(),
        dead: None,
    };
}

/// Initialises the lock of the sites.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(super) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { SITES.init() };
}

/// The exit hooks of all functions.
struct Sites {
    pool: Pool,
    sites: KVec<Pin<KBox<Site>>>,
    /// Sites whose functions do not call the trampoline any more, while tasks are still in it. Each
    /// holds a reference to the library's module.
    leaving: KVec<Pin<KBox<Site>>>,
    /// The hook on `do_exit()`, while one of the lists is not empty.
    dead: Option<Pin<KBox<DeadTasks>>>,
}

/// A function with exit hooks.
///
/// # Invariants
///
/// - `ops` is registered with ftrace as a direct call of `trampoline` while `is_registered`.
/// - The trampoline runs `chain`. `spare` has room for all hooks of `chain` but one.
#[pin_data]
struct Site {
    /// The address of the `call __fentry__` at the function's entry.
    address: usize,
    trampoline: Trampoline,
    chain: ExitChain,
    spare: ExitChain,
    is_registered: bool,
    /// Locked while the direct call is unregistered, so that [`share`] does not change the call at
    /// the same time.
    #[pin]
    sharing: Mutex<()>,
    /// Whether [`share`] is making the function jump to the trampoline.
    becomes_jmp: AtomicBool,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: ftrace's functions may be called from any thread.
unsafe impl Send for Site {}

impl Site {
    /// Creates an initialiser of a site whose function is not hooked yet.
    fn new(address: usize, trampoline: Trampoline, node: ExitNode) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            address,
            chain: ExitChain::EMPTY.with(node)?,
            spare: ExitChain::with_room(1)?,
            trampoline,
            is_registered: false,
            sharing <- new_mutex!(()),
            becomes_jmp: AtomicBool::new(false),
            ops: Opaque::uninit(),
            _pin: PhantomPinned,
        } ? Error)
    }

    /// Makes the function call the trampoline, which runs the chain.
    ///
    /// # Errors
    ///
    /// The errors of ftrace. `EBUSY`: another user has a direct call on the function.
    fn register(self: Pin<&mut Self>) -> Result {
        let site = self.project();
        site.trampoline.run(site.chain);
        // If a live patch is on the function, a jump fails by `EAGAIN`, and the function has to
        // call the trampoline: see `share`.
        let mut result = Err(EAGAIN);
        if CAN_JMP {
            let direct = site.trampoline.direct_address(true);
            // SAFETY: `ops` is part of the site, which is pinned, and is unregistered before the
            // site is freed.
            result = unsafe { register(site.ops.get(), *site.address, direct) };
        }
        if result == Err(EAGAIN) {
            let direct = site.trampoline.direct_address(false);
            // SAFETY: As above.
            result = unsafe { register(site.ops.get(), *site.address, direct) };
        }
        // INVARIANT: The ops is registered, or, if ftrace has switched itself off, the function may
        // still call the trampoline.
        *site.is_registered = result.is_ok();
        match result {
            Ok(Registered::Yes) => Ok(()),
            Ok(Registered::Stuck) => Err(ENODEV),
            Err(error) => Err(error),
        }
    }

    /// Makes the function not call the trampoline any more. A task may still be in it.
    fn unregister(self: Pin<&mut Self>) {
        let site = self.project();
        let ops = site.ops.get();
        let _sharing = site.sharing.as_ref().get_ref().lock();
        // SAFETY: By the type invariants `ops` is registered. `share` does not change it while
        // `sharing` is locked. The caller waits for a grace period, once for all sites.
        let result = to_result(unsafe {
            ops::forbid_waiting(ops);
            bindings::unregister_ftrace_direct(ops, (*ops).direct_call, false)
        });
        *site.is_registered = result.is_err();
    }

    /// Takes hooks off, and makes the trampoline run the others. CPUs may still run the old chain.
    fn withdraw(self: Pin<&mut Self>, is_gone: impl Fn(&ExitNode) -> bool) {
        let site = self.project();
        // By the type invariants the spare chain has room: at least one hook is left out.
        site.spare
            .set(site.chain.hooks().iter().filter(|node| !is_gone(node)));
        core::mem::swap(site.chain, site.spare);
        site.trampoline.run(site.chain);
    }
}

/// Initialises `ops`, and registers it as a direct call of the function at `address`.
///
/// # Errors
///
/// The errors of ftrace. Nothing calls the trampoline then.
///
/// # Safety
///
/// `ops` is not registered, and stays in its place until it is unregistered. `direct` is the
/// address of a trampoline for the function.
unsafe fn register(
    ops: *mut bindings::ftrace_ops,
    address: usize,
    direct: usize,
) -> Result<Registered> {
    fault::REGISTER_FTRACE_DIRECT.check()?;
    // SAFETY: By the function's requirements.
    unsafe {
        ops.write(bindings::ftrace_ops {
            ops_func: Some(share),
            ..pin_init::zeroed()
        });
        ops::register_by(ops, &mut [address], || {
            to_result(bindings::register_ftrace_direct(ops, direct))
        })
    }
}

/// The `ops_func` of the direct calls. ftrace calls it when an ops with `IPMODIFY`, such as that of
/// a live patch, is registered on the function or unregistered.
///
/// Such an ops changes the return address that the call at the function's entry pushes. A
/// trampoline does not read that address if the function jumps to it. So the function calls the
/// trampoline as long as it has both.
///
/// # Safety
///
/// Called by ftrace alone, with the `ops` of a site and the lock for direct calls held.
unsafe extern "C" fn share(
    ops: *mut bindings::ftrace_ops,
    _ip: c_ulong,
    command: bindings::ftrace_ops_cmd,
) -> c_int {
    // SAFETY: By the function's requirements `ops` is that of a site. Other threads use the site,
    // too, so only fields are read that they share, or that the lock for direct calls protects.
    let (sharing, becomes_jmp, now) = unsafe {
        let opaque: *const Opaque<bindings::ftrace_ops> = ops.cast();
        let site = kernel::container_of!(opaque, Site, ops);
        (&(*site).sharing, &(*site).becomes_jmp, (*ops).direct_call)
    };
    let is_jmp = slot::is_jmp(now);
    let next = match command {
        // This is a jump that is being registered, or a call that is becoming a jump below, while
        // the function has an ops with `IPMODIFY`. In the first case `Site::register` tries again
        // with a call. In the second case the call remains a call.
        bindings::ftrace_ops_cmd_FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_SELF
            if is_jmp || becomes_jmp.load(Ordering::Relaxed) =>
        {
            return EAGAIN.to_errno()
        }
        bindings::ftrace_ops_cmd_FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_PEER if is_jmp => {
            slot::called(now)
        }
        bindings::ftrace_ops_cmd_FTRACE_OPS_CMD_DISABLE_SHARE_IPMODIFY_PEER
            if !is_jmp && CAN_JMP =>
        {
            slot::jumped_to(now)
        }
        _ => return 0,
    };
    // Not `lock()`, which could deadlock: `Site::unregister` holds this lock while it waits for the
    // lock for direct calls, which is held here.
    let Some(_sharing) = sharing.try_lock() else {
        return EAGAIN.to_errno();
    };
    becomes_jmp.store(slot::is_jmp(next), Ordering::Relaxed);
    // SAFETY: `ops` is registered as a direct call, and ftrace's lock is held. `next` is an address
    // of the same trampoline.
    let result = unsafe { bindings::modify_ftrace_direct_nolock(ops, next) };
    becomes_jmp.store(false, Ordering::Relaxed);
    result
}

/// Whether functions may jump to trampolines. With `CONFIG_FUNCTION_ERROR_INJECTION` they may not:
/// its kprobes change the address at which a function continues, and the kernel does not call
/// `ops_func` before.
const CAN_JMP: bool =
    cfg!(CONFIG_DYNAMIC_FTRACE_WITH_JMP) && !cfg!(CONFIG_FUNCTION_ERROR_INJECTION);

impl Sites {
    /// Puts a hook on the function at `address`.
    fn attach(&mut self, address: usize, node: ExitNode) -> Result {
        let result = self.try_attach(address, node);
        self.shrink();
        result
    }

    fn try_attach(&mut self, address: usize, node: ExitNode) -> Result {
        fault::FTRACE_SITE_ALLOC.check()?;
        let found = self.sites.iter_mut().find(|site| site.address == address);
        if let Some(site) = found {
            let mut chain = site.chain.with(node)?;
            let spare = ExitChain::with_room(chain.hooks().len())?;
            let site = site.as_mut().project();
            core::mem::swap(site.chain, &mut chain);
            *site.spare = spare;
            site.trampoline.run(site.chain);
            // After this no CPU runs the old chain any more, so it may be freed.
            ops::synchronize();
            return Ok(());
        }
        self.take_back();
        self.sites.reserve(1, GFP_KERNEL)?;
        // Reserved here, so that removing hooks cannot fail.
        self.leaving.reserve(self.sites.len() + 1, GFP_KERNEL)?;
        if self.dead.is_none() {
            self.dead = Some(KBox::pin_init(DeadTasks::new(), GFP_KERNEL)?);
        }
        let trampoline = self.pool.take(address)?;
        let number = trampoline.number;
        let site = KBox::pin_init(Site::new(address, trampoline, node), GFP_KERNEL);
        let mut site = site.inspect_err(|_| self.pool.put(number))?;
        match site.as_mut().register() {
            Ok(()) => Ok(self.sites.push_within_capacity(site)?),
            Err(error) if site.is_registered => {
                // ftrace has switched itself off after a fault of its own. The function may call
                // the trampoline until reboot, which runs no hook then.
                site.trampoline.run(&ExitChain::EMPTY);
                ops::synchronize();
                library::keep();
                core::mem::forget(site);
                Err(error)
            }
            Err(error) => {
                self.pool.put(number);
                Err(error)
            }
        }
    }

    /// Takes hooks off all functions. When this returns, no CPU and no preempted task can still
    /// execute their handlers.
    fn detach(&mut self, is_gone: impl Fn(&ExitNode) -> bool) {
        let mut is_changed = false;
        let mut kept = 0;
        for index in 0..self.sites.len() {
            let mut site = self.sites[index].as_mut();
            if site.chain.hooks().iter().any(&is_gone) {
                is_changed = true;
                site.as_mut().withdraw(&is_gone);
            }
            if !site.chain.hooks().is_empty() {
                self.sites.swap(kept, index);
                kept += 1;
            }
        }
        if !is_changed {
            return;
        }
        for site in &mut self.sites[kept..] {
            site.as_mut().unregister();
        }
        ops::synchronize();
        while self.sites.len() > kept {
            let Some(site) = self.sites.pop() else {
                break;
            };
            if site.is_registered {
                // ftrace has switched itself off: the function calls the trampoline until
                // reboot, and the trampoline runs no hook. So the trampoline, the site and the
                // library stay.
                library::keep();
                core::mem::forget(site);
            } else {
                // SAFETY: The ops is unregistered, and a grace period has passed.
                unsafe { ops::free_filter(site.ops.get()) };
                self.leave(site);
            }
        }
        self.shrink();
    }

    /// Puts the trampoline of a site back into the pool, at once or when the last task has left it.
    fn leave(&mut self, site: Pin<KBox<Site>>) {
        if site.trampoline.tasks() == 0 {
            return self.pool.put(site.trampoline.number);
        }
        library::keep();
        // There is room: `attach` has reserved it.
        let pushed = self.leaving.push_within_capacity(site);
        debug_assert!(pushed.is_ok());
        // SAFETY: The library is loaded, and stops the deferred work when it is unloaded.
        unsafe { bindings::ftrace_exit_drain_later() };
    }

    /// Puts the trampolines that the last task has left back into the pool.
    fn take_back(&mut self) {
        let pool = &mut self.pool;
        self.leaving.retain(|site| {
            let is_left = site.trampoline.tasks() == 0;
            if is_left {
                pool.put(site.trampoline.number);
                library::release();
            }
            !is_left
        });
    }

    /// Frees memory that is not used any more. The library may be unloaded, and a static is not
    /// dropped then.
    fn shrink(&mut self) {
        if self.sites.is_empty() {
            self.sites = KVec::new();
            if self.leaving.is_empty() {
                self.leaving = KVec::new();
                if let Some(dead) = self.dead.take() {
                    DeadTasks::remove(dead);
                }
            }
        }
    }
}

/// Puts the hook of `node` on the function whose `call __fentry__` is at `address`.
///
/// # Errors
///
/// - `EBUSY`: another user, such as a BPF program, has a direct call on the function.
/// - `ENOSPC`: all trampolines are in use, or a frame has no room for the hook's data.
/// - `ENOMEM`: there is no memory for the site or the chain.
/// - The errors of ftrace.
///
/// # Safety
///
/// The function can be called by a trampoline ([`callable`](super::callable)). The hook stays
/// valid until [`detach`] has returned.
pub(super) unsafe fn attach(address: usize, node: ExitNode) -> Result {
    USED.store(true, Ordering::Relaxed);
    SITES.lock().attach(address, node)
}

/// Takes hooks off their functions. When this returns, no CPU and no preempted task can still
/// execute their handlers. It does not wait for tasks that sleep in the functions, and takes one
/// grace period at most.
pub(in crate::ftrace) fn detach(is_gone: impl Fn(*const Header) -> bool) {
    SITES.lock().detach(|node| is_gone(node.hook()));
}

/// Returns the number of the trampoline that runs the hook.
pub(super) fn trampoline(hook: *const Header) -> Option<usize> {
    let sites = SITES.lock();
    let site = sites
        .sites
        .iter()
        .find(|site| site.chain.hooks().iter().any(|node| node.hook() == hook))?;
    Some(site.trampoline.number)
}

/// Whether a trampoline was ever used.
static USED: AtomicBool = AtomicBool::new(false);

/// Called periodically while [`Sites::leaving`] is not empty. Returns whether it has to be called
/// again.
#[no_mangle]
extern "C" fn tackle_ftrace_exit_drain() -> bool {
    let mut sites = SITES.lock();
    sites.take_back();
    sites.shrink();
    !sites.leaving.is_empty()
}

/// Dropping this makes it safe to free the code of the trampolines.
pub(crate) struct Trampolines(());

impl Trampolines {
    /// Creates it. The library calls this once, and drops the result when no hook is left.
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Drop for Trampolines {
    fn drop(&mut self) {
        // SAFETY: The caller may sleep. `Sites::leaving` is empty, since an element would keep the
        // library loaded.
        unsafe { bindings::ftrace_exit_stop_draining() };
        if USED.load(Ordering::Relaxed) {
            // The last tasks increment `left` before their last instructions in a trampoline: wait
            // for these.
            ops::synchronize();
        }
    }
}
