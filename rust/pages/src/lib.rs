// SPDX-License-Identifier: GPL-2.0

//! Maps anonymous memory at a fixed virtual address, sets its memory policy, and reads the NUMA
//! nodes of its pages and of the CPU. For programs in user space.
//!
//! System calls: mmap(2), madvise(2), mbind(2), move_pages(2), getcpu(2).
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use std::sync::atomic::Ordering;
//! use tackle_pages::{Pages, Size};
//!
//! let pages = Pages::map(0x5000_0000_0000, 1 << 20, Size::Small)?;
//! pages.words()[0].store(1, Ordering::Relaxed);
//! assert_eq!(pages.words()[0].load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

use std::ffi::c_void;
use std::io::{Error, ErrorKind, Result};
use std::ptr::{null, null_mut, NonNull};
use std::sync::atomic::AtomicU64;

/// The size of a small page in bytes.
pub const PAGE: usize = 4096;

/// The size of a huge page in bytes.
pub const HUGE_PAGE: usize = 2 << 20;

/// The number of nodes to which [`Pages::bind`] can bind memory. The node mask is one word.
const MOST_NODES: usize = u64::BITS as usize;

/// The size of a word in bytes.
const WORD: usize = size_of::<AtomicU64>();

/// The size of the pages of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Small pages, which the kernel does not merge into huge pages.
    Small,
    /// Pages of hugetlbfs, which NUMA balancing does not migrate.
    Huge,
}

/// Mapped memory. Its content is zero at first. It is unmapped when the value is dropped.
///
/// # Invariants
///
/// `start` is the address of a mapping of `bytes` bytes that this value alone owns, readable and
/// writable. `bytes` is a multiple of [`PAGE`].
#[derive(Debug)]
pub struct Pages {
    start: NonNull<AtomicU64>,
    bytes: usize,
}

// SAFETY: The mapping belongs to the process and not to a thread. Any thread can unmap it.
unsafe impl Send for Pages {}

// SAFETY: A shared reference gives access only to atomics and to system calls.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps `bytes`, rounded up to whole pages, at the virtual address `address`.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: something is mapped there.
    /// - `EINVAL`: `address` is not the start of a page of this size, or `bytes` is 0 or larger
    ///   than half of the address space.
    /// - `ENOMEM`: there is no memory, or [`Size::Huge`] and too few huge pages are reserved.
    pub fn map(address: usize, bytes: usize, size: Size) -> Result<Self> {
        let (page, flags) = match size {
            Size::Small => (PAGE, 0),
            Size::Huge => (HUGE_PAGE, libc::MAP_HUGETLB),
        };
        let rounded = bytes.checked_next_multiple_of(page);
        let bytes = rounded.filter(|bytes| *bytes > 0 && isize::try_from(*bytes).is_ok());
        let bytes = bytes.ok_or_else(|| Error::from_raw_os_error(libc::EINVAL))?;
        // SAFETY: The flag MAP_FIXED_NOREPLACE makes the call fail instead of replacing a
        // mapping, so no memory that is in use changes.
        let start = unsafe {
            libc::mmap(
                address as *mut c_void,
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | flags,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        // INVARIANT: The mapping is new, so no other value owns it.
        let this = Self {
            start: NonNull::new(start.cast()).ok_or(ErrorKind::InvalidInput)?,
            bytes,
        };
        // Kernels before 4.17 ignore the flag MAP_FIXED_NOREPLACE, and use the address as a hint.
        if start as usize != address {
            return Err(Error::from_raw_os_error(libc::EEXIST));
        }
        if size == Size::Small {
            // SAFETY: The range is a mapping of ours; the advice does not change its content.
            check(unsafe { libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE) }.into()).or_else(
                // A kernel without transparent huge pages returns EINVAL.
                |error| match error.raw_os_error() {
                    Some(libc::EINVAL) => Ok(()),
                    _ => Err(error),
                },
            )?;
        }
        Ok(this)
    }

    /// Returns the memory as words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: By the type invariant the mapping has this many bytes and lives as long as
        // `self`; the start of a page is aligned, every bit pattern is an `AtomicU64`, and
        // nothing but this slice refers to the memory.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes / WORD) }
    }

    /// Binds this memory to `node` (`MPOL_BIND`): the kernel allocates its pages only there. NUMA
    /// balancing does not migrate such pages.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such node, or its number is 64 or more.
    pub fn bind(&self, node: usize) -> Result<()> {
        if node >= MOST_NODES {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        let mask: u64 = 1 << node;
        // SAFETY: The range is this value's mapping. During the call the kernel reads the 64 bits
        // of the mask, which is one bit less than the argument says.
        check(unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.start.as_ptr(),
                self.bytes,
                libc::MPOL_BIND,
                &raw const mask,
                MOST_NODES + 1,
                0,
            )
        })
    }

    /// Returns the node of the page that contains the word `index`, or `None` if the page was not
    /// touched.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no such word.
    /// - `ENOSYS`: the kernel has no NUMA.
    pub fn node_of(&self, index: usize) -> Result<Option<usize>> {
        let words = self.words();
        let word = words.get(index).ok_or(ErrorKind::InvalidInput)?;
        let page: *const AtomicU64 = word;
        let mut status = 0_i32;
        // SAFETY: The kernel reads one address and writes one status during the call. It moves no
        // page, because the list of target nodes is null.
        check(unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                1,
                &raw const page,
                null::<i32>(),
                &raw mut status,
                0,
            )
        })?;
        Ok(usize::try_from(status).ok())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the mapping is this value's own, and no reference to it
        // outlives the value.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Returns the node of the CPU that runs this thread. The thread can be on another node when this
/// returns.
///
/// # Errors
///
/// `ENOSYS`: the kernel lacks the system call getcpu(2).
pub fn node_of_cpu() -> Result<usize> {
    let mut node = 0_u32;
    // SAFETY: The kernel writes a number during the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_getcpu,
            null_mut::<u32>(),
            &raw mut node,
            null_mut::<c_void>(),
        )
    })?;
    Ok(node as usize)
}

fn check(result: i64) -> Result<()> {
    if result < 0 {
        return Err(Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    const ADDRESS: usize = 0x5100_0000_0000;

    #[test]
    fn memory_is_where_it_is_wanted() {
        let pages = Pages::map(ADDRESS, PAGE + 1, Size::Small).unwrap();
        assert_eq!(pages.words().len(), 2 * PAGE / 8);
        assert_eq!(pages.words().as_ptr() as usize, ADDRESS);
        pages.words()[1023].store(7, Ordering::Relaxed);
        assert_eq!(pages.words()[1023].load(Ordering::Relaxed), 7);
        let error = Pages::map(ADDRESS, PAGE, Size::Small).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
        drop(pages);
        Pages::map(ADDRESS, PAGE, Size::Small).unwrap();
    }

    #[test]
    fn wrong_sizes_are_refused() {
        for bytes in [0, usize::MAX, usize::MAX / 2 + 2] {
            let error = Pages::map(ADDRESS + (1 << 32), bytes, Size::Small).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{bytes}");
        }
        assert!(Pages::map(ADDRESS + (1 << 32) + 1, PAGE, Size::Small).is_err());
    }

    #[test]
    fn a_page_has_a_node_once_it_was_touched() {
        let pages = Pages::map(ADDRESS + (2 << 32), PAGE, Size::Small).unwrap();
        let before = match pages.node_of(0) {
            // The host's kernel has no NUMA, or a container forbids the call.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                return
            }
            before => before.unwrap(),
        };
        assert_eq!(before, None);
        pages.words()[0].store(1, Ordering::Relaxed);
        assert!(pages.node_of(0).unwrap().is_some());
        assert!(pages.node_of(PAGE).is_err());
        assert!(pages.bind(64).is_err());
        node_of_cpu().unwrap();
    }
}
