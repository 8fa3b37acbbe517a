// SPDX-License-Identifier: GPL-2.0

//! Implements the list of all directories and files, and the removal of those that a module never
//! drops.

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

/// The project's directory, and all directories and files.
struct All {
    root: Option<Dir>,
    nodes: KVec<Listed>,
}

/// The path of a directory or file, and the module that is to drop it.
struct Listed {
    owner: *const bindings::module,
    path: Arc<Path>,
    state: State,
}

/// The state of a directory or file.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Its owner is making it.
    Busy,
    There,
    /// [`sweep`] removes it.
    Swept,
    /// Its owner was unloaded, but the directory contains something of another module.
    Orphan,
}

// SAFETY: The pointer to the owner is only compared, and not dereferenced.
unsafe impl Send for Listed {}

/// Sets the project's directory.
pub(super) fn set_root(root: Dir) {
    ALL.lock().root = Some(root);
}

/// Drops the project's directory, and empties the list.
pub(super) fn clear() {
    let root = ALL.lock().root.take();
    // Without the lock: dropping the directory takes it.
    drop(root);
    // Nodes that were never dropped are still in the list. A static is not dropped: free its memory
    // here.
    ALL.lock().nodes = KVec::new();
}

/// Returns the project's directory.
pub(super) fn root() -> Result<Dir> {
    ALL.lock().root.clone().ok_or(ENODEV)
}

/// The most directories above a file.
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

    /// Returns a reference to the dentry that debugfs has at this path, or null.
    fn dentry(&self) -> *mut bindings::dentry {
        let parent = match &self.parent {
            None => ptr::null_mut(),
            Some(parent) => match parent.dentry() {
                dentry if dentry.is_null() => return dentry,
                dentry => dentry,
            },
        };
        // SAFETY: The name is a C string. `parent` is null for the root of debugfs, or a directory
        // to which this function has a reference, which `dput` drops.
        unsafe {
            let dentry = bindings::debugfs_lookup(self.name.as_char_ptr(), parent);
            bindings::dput(parent);
            dentry
        }
    }
}

/// The exclusive right to a path. While a node exists, no other node has the same path. So the
/// directory or file that debugfs has at the path is the one that was made for this node.
pub(super) struct Node {
    path: Arc<Path>,
    _parent: Option<Arc<Node>>,
}

impl Node {
    /// Takes the name for a directory or a file that `owner` is to drop.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the name is taken.
    /// - `ENOENT`: the parent was removed when the module that had made it was unloaded.
    /// - `ENAMETOOLONG`: the path is more than [`MAX_DEPTH`] directories deep.
    /// - `ENOMEM`: there is no memory for the node.
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
        // Made before the lock is taken, so that on an error it is dropped without the lock:
        // dropping a node takes the lock.
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
    /// Marks the node as made, after debugfs has made the directory or file, or has refused to.
    /// Until then [`sweep`] leaves it alone.
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
        // A node that is being swept keeps its name until debugfs has removed it.
        ALL.lock()
            .remove(|other| Arc::ptr_eq(&other.path, &self.path) && other.state != State::Swept);
    }
}

/// Removes the directories and files that `owner` has not dropped; returns their number.
///
/// To be called after the exit function of `owner` has returned, and before its memory is freed.
pub(crate) fn sweep(owner: *const bindings::module) -> usize {
    let mut count = 0;
    loop {
        let path = ALL.lock().start_sweep(owner);
        let Some(path) = path else {
            ALL.lock().make_orphans(owner);
            return count;
        };
        // Without the lock, which callbacks of the file may take. The name stays taken until the
        // removal is over, so that the look-up finds nothing else.
        // SAFETY: The dentry is null, or `dentry` has taken a reference to it. The reference is
        // never dropped: another module, to which the owner has given the handle, may remove the
        // dentry once more, so it must stay valid.
        unsafe { bindings::debugfs_remove(path.dentry()) };
        ALL.lock().remove(|other| Arc::ptr_eq(&other.path, &path));
        count += 1;
    }
}

impl All {
    /// Picks a directory or file of `owner` or an orphan, and marks it as swept. A directory is
    /// picked only when it is empty.
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

    /// Makes orphans of the remaining directories of `owner`, which contain something of other
    /// modules. A later sweep removes them.
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
