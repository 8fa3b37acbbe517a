// SPDX-License-Identifier: GPL-2.0

//! The names of all directories and files, and the removal of those that a module never drops.

use super::Dir;
use crate::going;
use core::ptr;
use kernel::{bindings, prelude::*, str::CString, sync::Arc};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static ALL: Mutex<All> = All { root: None, nodes: KVec::new() };
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { ALL.init() };
}

/// What there is.
struct All {
    root: Option<Dir>,
    nodes: KVec<Listed>,
}

/// The path of something, and the module that is to drop it.
struct Listed {
    owner: *const bindings::module,
    path: Arc<Path>,
    state: State,
}

/// What has become of something in debugfs.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// It is being made.
    Busy,
    There,
    /// [`sweep`] removes it.
    Swept,
    /// Its owner has gone, but something of another module is in it.
    Orphan,
}

// SAFETY: The owner is an address to compare.
unsafe impl Send for Listed {}

/// Sets the project's directory.
pub(super) fn set_root(root: Dir) {
    ALL.lock().root = Some(root);
}

/// Drops the project's directory, and forgets all that is in it.
pub(super) fn clear() {
    let root = ALL.lock().root.take();
    // Without the lock, which it takes.
    drop(root);
    // What was never dropped has a reference to the root. Nobody drops a static.
    ALL.lock().nodes = KVec::new();
}

/// Returns the project's directory.
pub(super) fn root() -> Result<Dir> {
    ALL.lock().root.clone().ok_or(ENODEV)
}

/// How many directories deep files may be.
const MAX_DEPTH: usize = 16;

/// The path of a directory or a file.
struct Path {
    name: CString,
    parent: Option<Arc<Path>>,
}

impl Path {
    fn parent(&self) -> *const Self {
        self.parent
            .as_ref()
            .map_or(ptr::null(), |parent| &raw const **parent)
    }

    fn is_in(&self, parent: &Self) -> bool {
        ptr::eq(self.parent(), parent)
    }

    fn is_like(&self, other: &Self) -> bool {
        self.parent() == other.parent() && *self.name == *other.name
    }

    fn depth(&self) -> usize {
        self.parent.as_ref().map_or(0, |parent| parent.depth() + 1)
    }

    /// Returns a reference to what debugfs has here, or null.
    fn dentry(&self) -> *mut bindings::dentry {
        let parent = match &self.parent {
            None => ptr::null_mut(),
            Some(parent) => match parent.dentry() {
                dentry if dentry.is_null() => return dentry,
                dentry => dentry,
            },
        };
        // SAFETY: The name is a string; `parent` is null for the root of debugfs, or a directory
        // to which there is a reference, which ends here.
        unsafe {
            let dentry = bindings::debugfs_lookup(self.name.as_char_ptr(), parent);
            bindings::dput(parent);
            dentry
        }
    }
}

/// The right to a path: nothing else has it while this is there, so that what debugfs has at the
/// path was made with it.
pub(super) struct Node {
    path: Arc<Path>,
    _parent: Option<Arc<Node>>,
}

impl Node {
    /// Takes the name for a directory or a file that `owner` is to drop.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: it is taken.
    /// - `ENOENT`: the parent was removed with the module that had made it.
    /// - `ENAMETOOLONG`: it is more than [`MAX_DEPTH`] directories deep.
    /// - `ENOMEM`.
    pub(super) fn new(
        owner: *const bindings::module,
        parent: Option<Arc<Node>>,
        name: &CStr,
    ) -> Result<Arc<Self>> {
        if !owner.is_null() {
            going::note(owner)?;
        }
        let path = Path {
            name: CString::try_from(name)?,
            parent: parent.as_ref().map(|parent| parent.path.clone()),
        };
        if path.depth() > MAX_DEPTH {
            return Err(ENAMETOOLONG);
        }
        let path = Arc::new(path, GFP_KERNEL)?;
        let node = Self {
            path: path.clone(),
            _parent: parent,
        };
        // Dropped without the lock, which it takes.
        let node = Arc::new(node, GFP_KERNEL)?;
        let nodes = &mut ALL.lock().nodes;
        let mut parent_is_there = path.parent.is_none();
        for other in nodes.iter() {
            if path.is_like(&other.path) {
                return Err(EEXIST);
            }
            parent_is_there |= path.is_in(&other.path) && other.state == State::There;
        }
        if !parent_is_there {
            return Err(ENOENT);
        }
        let listed = Listed {
            owner,
            path,
            state: State::Busy,
        };
        nodes.push(listed, GFP_KERNEL)?;
        Ok(node)
    }
}

impl Node {
    /// Notes that debugfs has made it, or has refused to: [`sweep`] would look for it too early.
    pub(super) fn made(&self) {
        let nodes = &mut ALL.lock().nodes;
        let mut nodes = nodes.iter_mut();
        if let Some(listed) = nodes.find(|other| Arc::ptr_eq(&other.path, &self.path)) {
            listed.state = State::There;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // What is being swept has the name until it is gone.
        ALL.lock()
            .remove(|other| Arc::ptr_eq(&other.path, &self.path) && other.state != State::Swept);
    }
}

/// Removes what `owner` has not dropped; returns how much that was.
///
/// To be called when the exit function of `owner` has returned, and its memory is still there.
pub(crate) fn sweep(owner: *const bindings::module) -> usize {
    let mut count = 0;
    loop {
        let path = ALL.lock().start_sweep(owner);
        let Some(path) = path else {
            ALL.lock().make_orphans(owner);
            return count;
        };
        // Without the lock, which those may take who use the file. The name is taken until the
        // end, so that nothing else is found by it.
        // SAFETY: It is null, or a reference. That is kept for ever: a module to which the owner
        // has given the handle may remove it once more, for which it has to be there.
        unsafe { bindings::debugfs_remove(path.dentry()) };
        ALL.lock().remove(|other| Arc::ptr_eq(&other.path, &path));
        count += 1;
    }
}

impl All {
    /// Marks something of `owner` as swept, what is in a directory before the directory.
    fn start_sweep(&mut self, owner: *const bindings::module) -> Option<Arc<Path>> {
        let is_last = |listed: &Listed| {
            let mut others = self.nodes.iter();
            let is_its = listed.owner == owner && listed.state == State::There;
            (is_its || listed.state == State::Orphan)
                && !others.any(|other| other.path.is_in(&listed.path))
        };
        let index = self.nodes.iter().position(is_last)?;
        self.nodes[index].state = State::Swept;
        Some(self.nodes[index].path.clone())
    }

    /// Leaves the directories of `owner` in which there is something of others to a later sweep.
    fn make_orphans(&mut self, owner: *const bindings::module) {
        for listed in &mut self.nodes {
            if listed.owner == owner && listed.state == State::There {
                listed.state = State::Orphan;
                listed.owner = ptr::null();
            }
        }
    }

    fn remove(&mut self, is_gone: impl Fn(&Listed) -> bool) {
        self.nodes.retain(|listed| !is_gone(listed));
        if self.nodes.is_empty() {
            // A static is not dropped: free its memory here.
            self.nodes = KVec::new();
        }
    }
}
