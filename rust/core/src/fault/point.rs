// SPDX-License-Identifier: GPL-2.0

//! Implements fault points: calls that can be made to fail, and a table of the points that were
//! seen.
//!
//! Hooks add points in any context, so the table has a fixed size and takes no lock.

use core::{
    fmt,
    sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// The maximum number of return addresses that are kept of a stack.
pub const DEPTH: usize = 24;
/// The maximum number of points in a table.
pub const MAX_POINTS: usize = 8192;
/// The number of bytes that are kept of a task's name.
pub const COMM: usize = 16;

/// The id of a point. It is the same in each boot, for one build of the kernel and its modules.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PointId(u64);

impl PointId {
    /// Parses an id as it is displayed: 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = is_hex
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()?;
        (id != 0).then_some(Self(id))
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }

    pub(super) const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Computes a [`PointId`], by FNV-1a.
///
/// <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
#[derive(Clone, Copy, Debug)]
pub struct Identity(u64);

impl Identity {
    /// Begins with the name of the called function.
    pub const fn new(function: &[u8]) -> Self {
        Self(0xcbf2_9ce4_8422_2325).bytes(function)
    }

    /// Adds a return address: the name of its module (empty for the kernel image), and the offset
    /// in the module's text.
    #[must_use]
    pub const fn frame(self, module: &[u8], offset: u64) -> Self {
        // A name has no NUL, so that the NUL separates it from the offset.
        self.bytes(module).bytes(&[0]).bytes(&offset.to_le_bytes())
    }

    /// Returns the id. It is never 0, which marks an unused place in the table.
    pub const fn id(self) -> PointId {
        PointId(if self.0 == 0 { 1 } else { self.0 })
    }

    const fn bytes(self, bytes: &[u8]) -> Self {
        let mut hash = self.0;
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            // CAST: The new type is wider.
            hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
            rest = tail;
        }
        Self(hash)
    }
}

/// The properties of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sight<'a> {
    /// The number of the function in the caller's table.
    pub function: u32,
    /// The flags of an allocation.
    pub gfp: Option<u32>,
    /// The order of an allocation of pages.
    pub order: Option<u32>,
    /// The context of the call: 0 for a task, 1 for a softirq, 2 for a hardirq, 3 for an NMI.
    pub context: u32,
    /// The name of the current task.
    pub comm: [u8; COMM],
    /// The index of the site in `frames`.
    pub site: usize,
    /// The return addresses, innermost first; at most [`DEPTH`] are kept.
    pub frames: &'a [usize],
}

/// A place in the table for a point.
///
/// The hook that takes the place first sets the id, then the other fields, and then `is_ready`.
#[derive(Debug)]
pub struct Point {
    id: AtomicU64,
    is_ready: AtomicBool,
    /// The number in the order in which points were found, from 0.
    number: AtomicU32,
    function: AtomicU32,
    gfp: AtomicU64,
    order: AtomicU64,
    context: AtomicU32,
    comm: [AtomicU64; 2],
    site: AtomicUsize,
    len: AtomicUsize,
    frames: [AtomicUsize; DEPTH],
    pub(super) hits: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) gave_up: AtomicBool,
}

/// Represents [`None`] in a field for 32 bits.
const NONE: u64 = u64::MAX;

fn some(value: u64) -> Option<u32> {
    // A larger value is `NONE`.
    u32::try_from(value).ok()
}

impl Point {
    /// Returns an unused place.
    pub const fn unused() -> Self {
        Self {
            id: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
            number: AtomicU32::new(0),
            function: AtomicU32::new(0),
            gfp: AtomicU64::new(NONE),
            order: AtomicU64::new(NONE),
            context: AtomicU32::new(0),
            comm: [const { AtomicU64::new(0) }; 2],
            site: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            frames: [const { AtomicUsize::new(0) }; DEPTH],
            hits: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            gave_up: AtomicBool::new(false),
        }
    }

    /// Returns the id.
    pub fn id(&self) -> PointId {
        PointId(self.id.load(Relaxed))
    }

    /// Returns the number of calls since the counters were reset.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// Returns the number of these calls that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Returns whether the limit of failures was reached, so that all other calls succeed.
    pub fn gave_up(&self) -> bool {
        self.gave_up.load(Relaxed)
    }

    /// Returns the point's number, in the order in which the points were found.
    pub fn number(&self) -> u32 {
        self.number.load(Relaxed)
    }

    /// Returns the properties of the first call. The addresses are written to `frames`.
    pub fn sight<'a>(&self, frames: &'a mut [usize; DEPTH]) -> Sight<'a> {
        for (to, from) in frames.iter_mut().zip(&self.frames) {
            *to = from.load(Relaxed);
        }
        let len = self.len.load(Relaxed).min(DEPTH);
        let mut comm = [0; COMM];
        for (to, from) in comm.chunks_exact_mut(8).zip(&self.comm) {
            to.copy_from_slice(&from.load(Relaxed).to_le_bytes());
        }
        Sight {
            function: self.function.load(Relaxed),
            gfp: some(self.gfp.load(Relaxed)),
            order: some(self.order.load(Relaxed)),
            context: self.context.load(Relaxed),
            comm,
            site: self.site.load(Relaxed),
            frames: frames.get(..len).unwrap_or_default(),
        }
    }

    fn fill(&self, number: u32, sight: &Sight<'_>) {
        self.number.store(number, Relaxed);
        self.function.store(sight.function, Relaxed);
        self.gfp.store(sight.gfp.map_or(NONE, u64::from), Relaxed);
        self.order
            .store(sight.order.map_or(NONE, u64::from), Relaxed);
        self.context.store(sight.context, Relaxed);
        for (to, from) in self.comm.iter().zip(sight.comm.chunks_exact(8)) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(from);
            to.store(u64::from_le_bytes(bytes), Relaxed);
        }
        self.site.store(sight.site, Relaxed);
        self.len.store(sight.frames.len().min(DEPTH), Relaxed);
        for (to, from) in self.frames.iter().zip(sight.frames) {
            to.store(*from, Relaxed);
        }
        self.is_ready.store(true, Release);
    }

    fn reset(&self) {
        self.hits.store(0, Relaxed);
        self.failed.store(0, Relaxed);
        self.gave_up.store(false, Relaxed);
    }
}

/// The points that were seen: a hash table in memory of the caller.
#[derive(Debug)]
pub struct Points<T> {
    places: T,
    len: AtomicU32,
}

impl<T: AsRef<[Point]>> Points<T> {
    /// Creates a table of unused places.
    pub const fn new(places: T) -> Self {
        Self {
            places,
            len: AtomicU32::new(0),
        }
    }

    /// Returns the number of points.
    pub fn len(&self) -> u32 {
        self.len.load(Relaxed)
    }

    /// Returns whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the point of this id. A new point gets a place, and the result of `sight` is
    /// recorded there. Returns [`None`] if no place is left.
    ///
    /// It is lock-free and may be called in any context.
    pub fn get_or_add<'a>(&self, id: PointId, sight: impl FnOnce() -> Sight<'a>) -> Option<&Point> {
        let places = self.places.as_ref();
        // CAST: Both types have the same width.
        let start = (id.0 as usize).checked_rem(places.len())?;
        let (before, behind) = places.split_at_checked(start)?;
        for place in behind.iter().chain(before) {
            match place.id.compare_exchange(0, id.0, Relaxed, Relaxed) {
                Ok(_) => {
                    place.fill(self.len.fetch_add(1, Relaxed), &sight());
                    return Some(place);
                }
                Err(other) if other == id.0 => return Some(place),
                Err(_) => {}
            }
        }
        None
    }

    /// Returns all points whose first call is recorded completely, in any order, with the indices
    /// of their places.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Point)> {
        let places = self.places.as_ref().iter().enumerate();
        places.filter(|(_, point)| point.is_ready.load(Acquire))
    }

    /// Sets the counters of all points to 0.
    pub fn reset(&self) {
        self.places.as_ref().iter().for_each(Point::reset);
    }

    /// Removes all points. The caller must ensure that no call adds a point at the same time.
    pub fn clear(&self) {
        for point in self.places.as_ref() {
            point.is_ready.store(false, Relaxed);
            point.reset();
            point.id.store(0, Relaxed);
        }
        self.len.store(0, Relaxed);
    }
}
