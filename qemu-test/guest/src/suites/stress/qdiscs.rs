// SPDX-License-Identifier: GPL-2.0

//! Adds, changes, replaces and removes qdiscs while every processor sends packets through them: at
//! the root of a device that sends every packet at once, and below a `tbf` that lets packets wait.
//! In each round:
//!
//! - `rcodel` is added; its options change while packets flow, and it must show the options that
//!   were set;
//! - the senders pause until the queue is empty; then the packets that were sent must be those that
//!   the qdisc counts as sent and as dropped, and the device must have got those that were sent;
//! - while packets flow again, `rcodel` is replaced by other qdiscs, and they by it; one of them is
//!   `rfq_codel`, whose options change and whose flows are listed; in every second round the device
//!   is set down and up with it;
//! - the qdisc is removed; after every fourth round the modules are unloaded and loaded.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use netlink_packet_route::tc::TcHandle;

use super::crowd::{Caller, Kind};
use super::{await_more, LIMIT};
use crate::sys::codel::{attribute, Options};
use crate::sys::dummy::Dummy;
use crate::sys::qdisc::{handle, How, Shown, Tc};
use crate::sys::{cmd, debugfs, module, wait_often};

const KIND: &str = "rcodel";
/// Our other kind of qdisc.
const FLOWS: &str = "rfq_codel";
/// The payload of each packet. It is so large that even a short queue exceeds one MTU, below which
/// CoDel never drops.
const PAYLOAD: [u8; 400] = [0; 400];
/// The number of packets that are sent before the next change.
const FLOW: u64 = 6;

/// A place for a qdisc, and the traffic that goes through it.
struct Road {
    device: Dummy,
    parent: TcHandle,
    /// Senders hold this lock for reading while they send.
    gate: RwLock<()>,
    /// Packets that the kernel accepted.
    sent: AtomicU64,
}

impl Road {
    fn new(device: Dummy, parent: TcHandle) -> Self {
        Self {
            device,
            parent,
            gate: RwLock::new(()),
            sent: AtomicU64::new(0),
        }
    }

    /// Sends a few packets, unless senders are paused. Returns how many packets the kernel
    /// accepted.
    fn send(&self, socket: &UdpSocket) -> u64 {
        let Ok(_open) = self.gate.try_read() else {
            return 0;
        };
        // While the device is down there is no route to the peer. While the queue is long the
        // socket has no room.
        let taken = (0..2).filter(|_| socket.send_to(&PAYLOAD, self.device.peer).is_ok());
        let taken = taken.count() as u64;
        self.sent.fetch_add(taken, SeqCst);
        taken
    }

    fn flow(&self) -> Result<()> {
        await_more("packets to flow", FLOW, || Ok(self.sent.load(SeqCst)))
            .with_context(|| format!("on {}", self.device.name))
    }

    /// Returns the numbers of packets that the kernel accepted, and that the device has got.
    fn counts(&self) -> Result<(u64, u64)> {
        let name = self.device.name;
        let had = debugfs::value(format!("/sys/class/net/{name}/statistics/tx_packets"))?;
        Ok((self.sent.load(SeqCst), had))
    }

    /// Returns the counts when the last packet has reached the device. Senders must be paused.
    fn still(&self) -> Result<(u64, u64)> {
        let mut last = None;
        wait_often(
            "the device to be still",
            Duration::from_millis(4),
            LIMIT,
            || {
                let counts = self.counts()?;
                Ok((last.replace(counts) == Some(counts)).then_some(counts))
            },
        )
    }
}

/// See the module's documentation.
pub struct Qdiscs {
    roads: [Road; 2],
    /// The socket and the modules, which are unloaded from time to time.
    work: Mutex<(Tc, Option<module::Stack>)>,
    changes: AtomicU32,
    drops: AtomicU64,
}

impl Qdiscs {
    /// Loads the module and makes two devices.
    ///
    /// # Errors
    ///
    /// The module cannot be loaded, or a device cannot be made.
    pub fn new() -> Result<Self> {
        let work = (Tc::open()?, Some(module::qdiscs()?));
        let plain = Road::new(Dummy::new("tks0", 21)?, TcHandle::ROOT);
        let slow = Road::new(Dummy::new("tks1", 22)?, handle(1, 1));
        cmd::run("tc qdisc add dev tks1 root handle 1: tbf rate 1mbit burst 5k latency 1s")?;
        Ok(Self {
            roads: [plain, slow],
            work: Mutex::new(work),
            changes: AtomicU32::new(0),
            drops: AtomicU64::new(0),
        })
    }

    /// Changes the options while packets flow.
    fn change(&self, tc: &Tc, road: &Road, number: u32) -> Result<()> {
        for step in 0..3 {
            let number = 3 * number + step;
            let options = Options {
                limit: Some(1 + number % 37),
                target: Some(1 + 500 * (number % 20)),
                interval: Some(1 + 5_000 * (number % 20)),
                ecn: Some(number % 2),
                ce_threshold: (number % 3 == 0).then_some(1000),
            };
            let (index, bytes) = (road.device.index, options.encode());
            tc.put_below(How::Change, index, road.parent, KIND, Some(&bytes))??;
            let shown = Options::decode(&tc.find(index, road.parent)?.options)?;
            ensure!(
                (shown.limit, shown.ecn) == (options.limit, options.ecn),
                "expected {options:?}, got {shown:?}"
            );
            road.flow()?;
            self.changes.fetch_add(1, SeqCst);
        }
        Ok(())
    }

    /// Checks that the counts of packets since `before` are consistent. Pauses the senders.
    fn balance(&self, tc: &Tc, road: &Road, before: (u64, u64)) -> Result<()> {
        let _held = road.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut seen = (Shown::default(), 0, 0);
        let balanced = wait_often(
            "the books to balance",
            Duration::from_millis(2),
            LIMIT,
            || {
                let (sent, had) = road.counts()?;
                let shown = tc.find(road.device.index, road.parent)?;
                seen = (shown, sent - before.0, had - before.1);
                let (shown, sent, had) = &seen;
                let (packets, drops) = (u64::from(shown.packets), u64::from(shown.drops));
                let good = shown.qlen == 0 && *sent == packets + drops && *had == packets;
                Ok(good.then_some(drops))
            },
        );
        let (shown, sent, had) = seen;
        let drops = balanced.with_context(|| {
            format!(
                "expected {sent} packets to be sent or dropped and {had} sent, got {} sent, \
                 {} dropped, {} queued",
                shown.packets, shown.drops, shown.qlen
            )
        })?;
        self.drops.fetch_add(drops, SeqCst);
        Ok(())
    }

    fn replace(&self, tc: &Tc, road: &Road, down: bool) -> Result<()> {
        let index = road.device.index;
        for kind in ["pfifo", KIND, FLOWS, "codel", FLOWS, KIND] {
            tc.put_below(How::Replace, index, road.parent, kind, None)??;
            road.flow()?;
            if kind == FLOWS {
                let limit = attribute(2, &3u32.to_ne_bytes());
                tc.put_below(How::Change, index, road.parent, kind, Some(&limit))??;
                cmd::run(&format!("tc -s class show dev {}", road.device.name))?;
                road.flow()?;
            }
        }
        if down {
            tc.set_up(index, false)??;
            tc.set_up(index, true)??;
            road.flow()?;
        }
        tc.delete_below(index, road.parent)??;
        Ok(())
    }
}

impl Kind for Qdiscs {
    fn name(&self) -> &'static str {
        "qdiscs under traffic"
    }

    fn caller(&self) -> Result<Caller<'_>> {
        let socket = UdpSocket::bind("0.0.0.0:0").context("cannot open a socket")?;
        socket.set_nonblocking(true)?;
        Ok(Box::new(move || {
            Ok(self.roads.iter().map(|road| road.send(&socket)).sum())
        }))
    }

    fn round(&self, number: u32) -> Result<u32> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let (tc, stack) = &mut *work;
        let road = &self.roads[number as usize / 2 % 2];
        // In half of the rounds the limit is 0. The kernel then does not bypass an empty queue, so
        // every packet is enqueued.
        let start = Options {
            limit: (number / 4 % 2 == 0).then_some(0),
            ..Options::default()
        };
        let before = {
            let _held = road.gate.write().unwrap_or_else(PoisonError::into_inner);
            let (index, bytes) = (road.device.index, start.encode());
            tc.put_below(How::Add, index, road.parent, KIND, Some(&bytes))??;
            road.still()?
        };
        self.change(tc, road, number)?;
        self.balance(tc, road, before)?;
        self.replace(tc, road, number % 2 == 1)?;
        if number % 4 == 3 {
            if let Some(stack) = stack.take() {
                stack.unload()?;
            }
            *stack = Some(module::qdiscs()?);
        }
        Ok(1)
    }

    fn figures(&self) -> String {
        format!(
            "{} changes of options, {} packets dropped by rcodel",
            self.changes.load(SeqCst),
            self.drops.load(SeqCst)
        )
    }

    fn finish(self) -> Result<()> {
        drop(self.roads);
        let work = self.work.into_inner();
        let (_, stack) = work.unwrap_or_else(PoisonError::into_inner);
        stack.map_or(Ok(()), module::Stack::unload)
    }
}
