// SPDX-License-Identifier: GPL-2.0

//! Implements the selection of the calls at fault points that fail.

use super::point::{Point, PointId, Points};
use core::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{
        AtomicBool, AtomicU64, AtomicU8,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// The calls that fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// No call fails, and no point is recorded.
    Off,
    /// No call fails, and points are recorded.
    Discover,
    /// The `hit`-th call at one point.
    One {
        /// The point.
        id: PointId,
        /// The number of the call, from 1.
        hit: NonZeroU64,
    },
    /// The `hit`-th call at one point, and all calls after it.
    From {
        /// The point.
        id: PointId,
        /// The number of the first call that fails, from 1.
        hit: NonZeroU64,
        /// The maximum number of calls that fail at one point.
        limit: NonZeroU64,
    },
    /// The n-th call at any point.
    Nth(NonZeroU64),
    /// Each call fails with a probability.
    Random {
        /// The probability in percent.
        percent: u8,
        /// The seed of the decisions, which are the same for the same seed.
        seed: u64,
        /// The maximum number of calls that fail; [`None`] for no limit.
        times: Option<NonZeroU64>,
    },
}

impl Mode {
    /// Returns the name of the mode in a command.
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

/// The armed mode, and the counters since it was armed.
///
/// `mode` is stored last and read first, since this store arms the hooks.
#[derive(Debug)]
pub struct Plan {
    mode: AtomicU8,
    /// The point of [`Mode::One`] and [`Mode::From`]; 0 for none.
    id: AtomicU64,
    /// The number of the call, or the seed.
    number: AtomicU64,
    /// The limit for one point, or the number of remaining failures.
    limit: AtomicU64,
    percent: AtomicU8,
    /// Whether [`Mode::From`] has reached its first call.
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
    /// Creates a plan by which no call fails.
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
    /// A hook that still decides by the mode before can change the new counters. So the caller
    /// must disarm first, and wait for such hooks.
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

    /// Makes no call fail any more.
    pub fn disarm(&self) {
        self.mode.store(OFF, Relaxed);
    }

    /// Counts a call at `point`, and returns whether it fails.
    ///
    /// It is lock-free and may be called in any context.
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

    /// Counts a call for which no decision was possible.
    pub fn miss(&self) {
        self.missed.fetch_add(1, Relaxed);
    }

    /// Counts a call at a point for which the table had no place.
    pub fn note_full(&self) {
        self.full.fetch_add(1, Relaxed);
    }

    /// Returns the counters.
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

    /// Decides by the seed, the point and the number of the call at the point, so that a run can
    /// be repeated.
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

/// The counters since a mode was armed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counts {
    /// The name of the mode.
    pub mode: &'static str,
    /// The number of calls at points.
    pub calls: u64,
    /// The number of calls that failed.
    pub failed: u64,
    /// The number of calls for which no decision was possible.
    pub missed: u64,
    /// The number of calls at points for which the table had no place.
    pub full: u64,
    /// The number of points at which the limit of [`Mode::From`] was reached.
    pub retries: u64,
    /// The point that failed last.
    pub last: Option<PointId>,
}

impl fmt::Display for Counts {
    /// Writes `key=value` words, without the numbers of hooks and points.
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
