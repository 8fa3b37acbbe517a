// SPDX-License-Identifier: GPL-2.0

//! Which calls at fault points fail.

use super::point::{Point, PointId, Points};
use core::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{
        AtomicBool, AtomicU64, AtomicU8,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Which calls fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// None, and no point is recorded.
    Off,
    /// None.
    Discover,
    /// The `hit`-th call at one point.
    One {
        /// The point.
        id: PointId,
        /// Counted from 1.
        hit: NonZeroU64,
    },
    /// The `hit`-th call at one point, and all calls after it.
    From {
        /// The point.
        id: PointId,
        /// Counted from 1.
        hit: NonZeroU64,
        /// How many calls fail at one point at most.
        limit: NonZeroU64,
    },
    /// The n-th call at any point.
    Nth(NonZeroU64),
    /// Each with a probability.
    Random {
        /// In percent.
        percent: u8,
        /// What the decisions follow from.
        seed: u64,
        /// How many calls fail at most; [`None`] is no limit.
        times: Option<NonZeroU64>,
    },
}

impl Mode {
    /// What the mode is called in a command.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Off => NAMES[0],
            Self::Discover => NAMES[1],
            Self::One { .. } => NAMES[2],
            Self::From { .. } => NAMES[3],
            Self::Nth(_) => NAMES[4],
            Self::Random { .. } => NAMES[5],
        }
    }

    const fn number(&self) -> u8 {
        match self {
            Self::Off => OFF,
            Self::Discover => DISCOVER,
            Self::One { .. } => ONE,
            Self::From { .. } => FROM,
            Self::Nth(_) => NTH,
            Self::Random { .. } => RANDOM,
        }
    }
}

const NAMES: [&str; 6] = ["off", "discover", "one", "from", "nth", "random"];
const OFF: u8 = 0;
const DISCOVER: u8 = 1;
const ONE: u8 = 2;
const FROM: u8 = 3;
const NTH: u8 = 4;
const RANDOM: u8 = 5;

/// The mode that is armed, and what was counted since.
///
/// `mode` is stored last and read first: the store arms the hooks.
#[derive(Debug)]
pub struct Plan {
    mode: AtomicU8,
    /// The point of [`Mode::One`] and [`Mode::From`]; 0 for none.
    id: AtomicU64,
    /// The hit, the number of the call, or the seed.
    number: AtomicU64,
    /// The limit, or how many failures are left.
    limit: AtomicU64,
    percent: AtomicU8,
    /// [`Mode::From`] has come to its call.
    has_begun: AtomicBool,
    calls: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
    missed: AtomicU64,
    full: AtomicU64,
    last: AtomicU64,
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Plan {
    /// Nothing fails.
    pub const fn new() -> Self {
        Self {
            mode: AtomicU8::new(OFF),
            id: AtomicU64::new(0),
            number: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            percent: AtomicU8::new(0),
            has_begun: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            full: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    /// Returns whether points are to be recorded.
    #[inline]
    pub fn is_armed(&self) -> bool {
        self.mode.load(Relaxed) != OFF
    }

    /// Sets all counters to 0, and selects the calls that fail.
    ///
    /// Hooks that are still in a decision of the mode before can count in the new one. The caller
    /// disarms first, and waits for them.
    pub fn arm<T: AsRef<[Point]>>(&self, mode: &Mode, points: &Points<T>) {
        self.mode.store(OFF, Relaxed);
        points.reset();
        for counter in [
            &self.calls,
            &self.failed,
            &self.retries,
            &self.missed,
            &self.full,
            &self.last,
        ] {
            counter.store(0, Relaxed);
        }
        self.has_begun.store(false, Relaxed);
        let (id, number, limit, percent) = match *mode {
            Mode::Off | Mode::Discover => (0, 0, 0, 0),
            Mode::One { id, hit } => (id.number(), hit.get(), 0, 0),
            Mode::From { id, hit, limit } => (id.number(), hit.get(), limit.get(), 0),
            Mode::Nth(number) => (0, number.get(), 0, 0),
            Mode::Random {
                percent,
                seed,
                times,
            } => (0, seed, times.map_or(u64::MAX, NonZeroU64::get), percent),
        };
        self.id.store(id, Relaxed);
        self.number.store(number, Relaxed);
        self.limit.store(limit, Relaxed);
        self.percent.store(percent, Relaxed);
        self.mode.store(mode.number(), Release);
    }

    /// Makes nothing fail any more.
    pub fn disarm(&self) {
        self.mode.store(OFF, Relaxed);
    }

    /// Counts a call at `point`, and returns whether it fails.
    ///
    /// Lock-free, for any context.
    pub fn decide(&self, point: &Point) -> bool {
        let mode = self.mode.load(Acquire);
        if mode == OFF {
            return false;
        }
        let hit = point.hits.fetch_add(1, Relaxed).wrapping_add(1);
        let call = self.calls.fetch_add(1, Relaxed).wrapping_add(1);
        let number = self.number.load(Relaxed);
        let is_it = || point.id().number() == self.id.load(Relaxed) && hit == number;
        let fails = match mode {
            ONE => is_it(),
            FROM => {
                if is_it() {
                    self.has_begun.store(true, Relaxed);
                }
                self.has_begun.load(Relaxed) && self.is_below_limit(point)
            }
            NTH => call == number,
            RANDOM => self.draw(point, number, hit),
            _ => false,
        };
        if fails {
            point.failed.fetch_add(1, Relaxed);
            self.failed.fetch_add(1, Relaxed);
            self.last.store(point.id().number(), Relaxed);
        }
        fails
    }

    /// Notes a call that could not be judged.
    pub fn miss(&self) {
        self.missed.fetch_add(1, Relaxed);
    }

    /// Notes a call at a point for which there was no place.
    pub fn note_full(&self) {
        self.full.fetch_add(1, Relaxed);
    }

    /// Returns what was counted.
    pub fn counts(&self) -> Counts {
        let mode = usize::from(self.mode.load(Relaxed));
        Counts {
            mode: NAMES.get(mode).copied().unwrap_or_default(),
            calls: self.calls.load(Relaxed),
            failed: self.failed.load(Relaxed),
            missed: self.missed.load(Relaxed),
            full: self.full.load(Relaxed),
            retries: self.retries.load(Relaxed),
            last: match self.last.load(Relaxed) {
                0 => None,
                last => Some(PointId::from_number(last)),
            },
        }
    }

    fn is_below_limit(&self, point: &Point) -> bool {
        if point.failed.load(Relaxed) < self.limit.load(Relaxed) {
            return true;
        }
        if !point.gave_up.swap(true, Relaxed) {
            self.retries.fetch_add(1, Relaxed);
        }
        false
    }

    /// The decision follows from the seed, the point and the call at the point.
    fn draw(&self, point: &Point, seed: u64, hit: u64) -> bool {
        let value = mix(mix(seed ^ point.id().number()).wrapping_add(hit));
        value % 100 < u64::from(self.percent.load(Relaxed))
            && self
                .limit
                .fetch_update(Relaxed, Relaxed, |left| match left {
                    u64::MAX => Some(left),
                    _ => left.checked_sub(1),
                })
                .is_ok()
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What was counted since a mode was armed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counts {
    /// The name of the mode.
    pub mode: &'static str,
    /// Calls at points.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that could not be judged.
    pub missed: u64,
    /// Calls at points for which there was no place.
    pub full: u64,
    /// Points at which the limit of [`Mode::From`] was reached.
    pub retries: u64,
    /// The point that failed last.
    pub last: Option<PointId>,
}

impl fmt::Display for Counts {
    /// As words `key=value`, without the number of hooks and points.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mode={} calls={} failed={} missed={} full={} retries={} last=",
            self.mode, self.calls, self.failed, self.missed, self.full, self.retries
        )?;
        match self.last {
            Some(id) => write!(f, "{id}"),
            None => f.write_str("none"),
        }
    }
}
