// SPDX-License-Identifier: GPL-2.0

//! Implements network devices for tests of queueing disciplines. They are made by the `ip` command.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};

use super::{cmd, debugfs};

/// ECN bits of the DS field (RFC 3168).
pub const NOT_ECT: u8 = 0;
/// See [`NOT_ECT`].
pub const ECT_1: u8 = 1;
/// See [`NOT_ECT`].
pub const ECT_0: u8 = 2;

/// A dummy device, which discards the packets that it sends. It is removed when this is dropped.
pub struct Dummy {
    /// Name of the device.
    pub name: &'static str,
    /// Index of the device.
    pub index: u32,
    /// An address behind the device, and a port.
    pub peer: SocketAddr,
}

impl Dummy {
    /// Makes a device whose subnet is `10.78.NET.0/24`.
    ///
    /// # Errors
    ///
    /// `ip` fails, for example because the device exists.
    pub fn new(name: &'static str, net: u8) -> Result<Self> {
        Self::with_queues(name, net, 1)
    }

    /// Makes a device with this many transmit queues.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn with_queues(name: &'static str, net: u8, queues: u32) -> Result<Self> {
        cmd::run(&format!(
            "ip link add {name} numtxqueues {queues} type dummy"
        ))?;
        let index = nix::net::if_::if_nametoindex(name)?;
        let dummy = Self {
            name,
            index,
            peer: (Ipv4Addr::new(10, 78, net, 2), 9).into(),
        };
        // With IPv6, the kernel would send packets of its own, and no packet count would be exact.
        debugfs::set(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        cmd::run(&format!("ip addr add 10.78.{net}.1/24 dev {name}"))?;
        cmd::run(&format!("ip link set {name} up"))?;
        Ok(dummy)
    }

    /// Sends `count` small datagrams through the device.
    ///
    /// # Errors
    ///
    /// The socket cannot be opened. A packet that the queue drops is not an error.
    pub fn send(&self, count: u32) -> Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0").context("cannot open a socket")?;
        self.send_through(&socket, count);
        Ok(())
    }

    /// Sends `count` small datagrams through the device, all from this port and so of one
    /// flow, with this DS field (ECN bits included) and this priority of the socket.
    ///
    /// # Errors
    ///
    /// The socket cannot be opened or set up. A packet that the queue drops is not an error.
    pub fn send_flow(&self, port: u16, dsfield: u8, priority: i32, count: u32) -> Result<()> {
        let socket = UdpSocket::bind(("0.0.0.0", port)).context("cannot open a socket")?;
        setsockopt(&socket, sockopt::Ipv4Tos, &dsfield.into())?;
        // Set this after the DS field, which also changes the priority.
        setsockopt(&socket, sockopt::Priority, &priority)?;
        self.send_through(&socket, count);
        Ok(())
    }

    fn send_through(&self, socket: &UdpSocket, count: u32) {
        for _ in 0..count {
            // This may report a full queue, which the counters show as well.
            let _ = socket.send_to(b"tackle", self.peer);
        }
    }

    /// Runs `work` while two threads send through the device without a pause.
    ///
    /// # Errors
    ///
    /// Returns the errors of `work` and of [`send`](Self::send).
    pub fn under_traffic(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let end = AtomicBool::new(false);
        let end = &end;
        thread::scope(|scope| {
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(move || {
                        while !end.load(Ordering::Relaxed) {
                            self.send(100)?;
                        }
                        Ok(())
                    })
                })
                .collect();
            let outcome = work();
            end.store(true, Ordering::Relaxed);
            let sent: Result<()> = senders
                .into_iter()
                .try_for_each(|sender| sender.join().expect("sending does not panic"));
            outcome.and(sent)
        })
    }
}

impl Drop for Dummy {
    fn drop(&mut self) {
        if let Err(error) = cmd::run(&format!("ip link del {}", self.name)) {
            eprintln!("{error:#}");
        }
    }
}
