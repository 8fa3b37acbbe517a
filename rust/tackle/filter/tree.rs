// SPDX-License-Identifier: GPL-2.0

//! The tasks of a process tree.

use crate::{
    bindings,
    ftrace::{Arguments, Call, EntryHook, TypedEntry, TypedEntryHandler},
    function::Pointer,
    task,
};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kernel::{bindings::task_struct, prelude::*, sync::Arc};

crate::function! {
    /// The new task is in the lists of tasks, and has not run yet.
    WakeUpNewTask: fn wake_up_new_task(*mut task_struct);
}

/// Returns the ID in the initial namespace of a task that a function was given; [`None`] for a
/// null pointer.
#[inline]
fn pid_of(task: Pointer<'_, *mut task_struct>) -> Option<i32> {
    // SAFETY: C code passed the pointer as that of a task, to a call that is not over.
    (!task.is_null()).then(|| unsafe { (&raw const (*task.as_ptr()).pid).read_volatile() })
}

/// How many words a bit for each ID takes.
const WORDS: usize = bindings::PID_MAX_LIMIT.div_ceil(u64::BITS as usize);

/// A set of tasks, a bit for each ID that there can be.
///
/// # Invariants
///
/// There are [`WORDS`] words.
struct Tasks(KVVec<AtomicU64>);

impl Tasks {
    fn new() -> Result<Self> {
        let mut tasks = KVVec::with_capacity(WORDS, GFP_KERNEL)?;
        for _ in 0..WORDS {
            tasks.push_within_capacity(AtomicU64::new(0))?;
        }
        // INVARIANT: So many were pushed.
        Ok(Self(tasks))
    }

    /// Adds each thread of the process `tgid` and of those that descend from it. Returns
    /// whether there is such a process.
    fn add_descendants(&self, tgid: i32) -> bool {
        // SAFETY: An ID is below `PID_MAX_LIMIT`, so by the type's invariant its bit is in
        // the words. On 64 bits a bitmap of the kernel's consists of such words, and it is
        // set by atomic operations.
        unsafe { bindings::set_descendants(tgid, self.0.as_ptr().cast_mut().cast()) }
    }

    /// The word that has the bit of `pid`, and that bit in it.
    #[inline]
    fn place(&self, pid: i32) -> Option<(&AtomicU64, u64)> {
        // CAST: What is negative is too large.
        let pid = pid as usize;
        Some((self.0.get(pid / 64)?, 1 << (pid % 64)))
    }

    #[inline]
    fn has(&self, pid: i32) -> bool {
        self.place(pid)
            .is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
    }

    fn set(&self, pid: i32, member: bool) {
        let Some((word, bit)) = self.place(pid) else {
            return;
        };
        if member {
            word.fetch_or(bit, Relaxed);
        } else {
            word.fetch_and(!bit, Relaxed);
        }
    }
}

/// Decides for each new task whether it is one of the tree: if the one that made it is.
///
/// So an ID needs no care when its task goes. The next one that has it begins here, too.
struct Follow(Arc<Tasks>);

impl TypedEntryHandler<WakeUpNewTask> for Follow {
    fn entry<'a>(&self, _call: &'a Call, (new,): Arguments<'a, WakeUpNewTask>) {
        if let Some(pid) = pid_of(new) {
            self.0.set(pid, self.0.has(task::pid()));
        }
    }
}

/// A process and its descendants.
pub(super) struct Tree {
    tasks: Arc<Tasks>,
    _follow: Pin<KBox<EntryHook<TypedEntry<WakeUpNewTask, Follow>>>>,
}

impl Tree {
    /// # Errors
    ///
    /// `ESRCH`: there is no process `tgid`. `ENOMEM`, and those of [`EntryHook::typed`].
    pub(super) fn new(tgid: u32) -> Result<Self> {
        let tgid = i32::try_from(tgid).map_err(|_| ESRCH)?;
        let tasks = Arc::new(Tasks::new()?, GFP_KERNEL)?;
        // Before those that are there are looked for. A task that is made meanwhile is behind
        // its maker in the lists, which are walked from the front: either it is seen there,
        // or its maker was seen before it was made.
        let follow = KBox::pin_init(EntryHook::typed(Follow(tasks.clone())), GFP_KERNEL)?;
        if !tasks.add_descendants(tgid) {
            return Err(ESRCH);
        }
        Ok(Self {
            tasks,
            _follow: follow,
        })
    }

    #[inline]
    pub(super) fn has_current(&self) -> bool {
        self.tasks.has(task::pid())
    }
}
