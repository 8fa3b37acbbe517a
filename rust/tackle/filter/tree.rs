// SPDX-License-Identifier: GPL-2.0

//! Implements the filter condition that the current task is in a process tree.

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

/// Returns the ID in the initial namespace of a task that is the argument of a hooked function;
/// [`None`] for a null pointer.
#[inline]
fn pid_of(task: Pointer<'_, *mut task_struct>) -> Option<i32> {
    // SAFETY: C code has passed a pointer to a task, which is valid during the call, and the call
    // has not returned.
    (!task.is_null()).then(|| unsafe { (&raw const (*task.as_ptr()).pid).read_volatile() })
}

/// The number of words that have a bit for each ID.
const WORDS: usize = bindings::PID_MAX_LIMIT.div_ceil(u64::BITS as usize);

/// A set of tasks, with a bit for each possible ID.
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
        // INVARIANT: `WORDS` words were pushed.
        Ok(Self(tasks))
    }

    /// Adds all threads of the process `tgid` and of its descendants. Returns whether the process
    /// exists.
    fn add_descendants(&self, tgid: i32) -> bool {
        // SAFETY: An ID is below `PID_MAX_LIMIT`, so by the type invariants its bit is in the
        // words. On 64 bits a bitmap of the kernel consists of words of the same type, and the
        // function sets its bits by atomic operations.
        unsafe { bindings::set_descendants(tgid, self.0.as_ptr().cast_mut().cast()) }
    }

    /// Returns the word that has the bit of `pid`, and the mask of that bit.
    #[inline]
    fn place(&self, pid: i32) -> Option<(&AtomicU64, u64)> {
        // CAST: A negative number becomes a number that is too large.
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

/// Sets the bit of each new task to that of the task that has created it.
///
/// So a bit need not be cleared when its task ends: it is set anew for the next task with this ID.
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
    /// - `ESRCH`: there is no process `tgid`.
    /// - `ENOMEM`: there is no memory for the set.
    /// - The errors of [`EntryHook::typed`].
    pub(super) fn new(tgid: u32) -> Result<Self> {
        let tgid = i32::try_from(tgid).map_err(|_| ESRCH)?;
        let tasks = Arc::new(Tasks::new()?, GFP_KERNEL)?;
        // The hook is placed before the existing tasks are searched. The search iterates over the
        // lists of tasks from the front, and a new task is added after its creator. So a task that
        // is created during the search is either found in the lists, or its creator was added to
        // the set before, and the hook adds the new task.
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
