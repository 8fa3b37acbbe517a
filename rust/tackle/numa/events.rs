// SPDX-License-Identifier: GPL-2.0

//! Implements [`Event`] and [`Events`], the events that an observer can select, and sets of them.

use core::ops::BitOr;

/// An event, named like the observer's method that is called at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Observer::hint`](super::Observer::hint)
    Hint,
    /// [`Observer::fault`](super::Observer::fault)
    Fault,
    /// [`Observer::counted`](super::Observer::counted)
    Counted,
    /// [`Observer::window`](super::Observer::window)
    Window,
    /// [`Observer::scan`](super::Observer::scan)
    Scan,
    /// [`Observer::skip`](super::Observer::skip)
    Skip,
    /// [`Observer::migration`](super::Observer::migration)
    Migration,
    /// [`Observer::placement`](super::Observer::placement)
    Placement,
    /// [`Observer::exit`](super::Observer::exit)
    Exit,
    /// [`Observer::wakeup`](super::Observer::wakeup)
    Wakeup,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 10] = [
        Self::Hint,
        Self::Fault,
        Self::Counted,
        Self::Window,
        Self::Scan,
        Self::Skip,
        Self::Migration,
        Self::Placement,
        Self::Exit,
        Self::Wakeup,
    ];

    /// Returns its name in logs and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Fault => "fault",
            Self::Counted => "counted",
            Self::Window => "window",
            Self::Scan => "scan",
            Self::Skip => "skip",
            Self::Migration => "migration",
            Self::Placement => "placement",
            Self::Exit => "exit",
            Self::Wakeup => "wakeup",
        }
    }
}

/// A set of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Events(u32);

impl Events {
    /// No event.
    pub const NONE: Self = Self(0);
    /// All events.
    pub const ALL: Self = Self((1 << Event::ALL.len()) - 1);
    /// The set of [`Event::Hint`].
    pub const HINT: Self = Self::of(Event::Hint);
    /// The set of [`Event::Fault`].
    pub const FAULT: Self = Self::of(Event::Fault);
    /// The set of [`Event::Counted`].
    pub const COUNTED: Self = Self::of(Event::Counted);
    /// The set of [`Event::Window`].
    pub const WINDOW: Self = Self::of(Event::Window);
    /// The set of [`Event::Scan`].
    pub const SCAN: Self = Self::of(Event::Scan);
    /// The set of [`Event::Skip`].
    pub const SKIP: Self = Self::of(Event::Skip);
    /// The set of [`Event::Migration`].
    pub const MIGRATION: Self = Self::of(Event::Migration);
    /// The set of [`Event::Placement`].
    pub const PLACEMENT: Self = Self::of(Event::Placement);
    /// The set of [`Event::Exit`].
    pub const EXIT: Self = Self::of(Event::Exit);
    /// The set of [`Event::Wakeup`].
    pub const WAKEUP: Self = Self::of(Event::Wakeup);

    /// Returns the set of one event.
    pub const fn of(event: Event) -> Self {
        Self(1 << event as u32)
    }

    /// Returns whether `event` is in the set.
    pub const fn has(self, event: Event) -> bool {
        self.0 & Self::of(event).0 != 0
    }

    /// Returns whether no event is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the set without `others`.
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Returns the events of the set.
    pub fn iter(self) -> impl Iterator<Item = Event> {
        Event::ALL.into_iter().filter(move |event| self.has(*event))
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
