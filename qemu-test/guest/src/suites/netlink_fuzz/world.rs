// SPDX-License-Identifier: GPL-2.0

//! Implements a network namespace with one device, and reads the kernel's answers.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::mem;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{ensure, Context, Result};
use netlink_packet_core::NlasIterator;
use netlink_packet_route::tc::TcHandle;
use netlink_sys::{protocols::NETLINK_ROUTE, Socket, SocketAddr as Address};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};

use super::message::{Message, Side};
use super::valid::QDISC;
use crate::sys::codel::{times_rounded_up, FQ_TIMES, TIMES};
use crate::sys::dummy::Dummy;
use crate::sys::qdisc::{How, Tc};

/// `TCA_FQ_CODEL_FLOWS`.
pub const FLOWS: u16 = 5;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// The offset of the attributes in an error message that does not contain the request.
const NLMSGERR_SIZE: usize = 20;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// From this handle on, the kernel assigns handles in sequence.
const GIVEN: u32 = 0x8000_0000;

/// An answer, without parts that differ between the sides: sequence numbers, delays, counts of
/// packets, and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The result of an order.
    Verdict {
        /// The error number, or 0.
        errno: Errno,
        /// The text of the kernel.
        text: String,
        /// Whether this answers the order that was sent. If a message claims to be shorter than it
        /// is, the kernel takes the rest for another order.
        own: bool,
    },
    /// A qdisc.
    Qdisc {
        /// The handle, unless the kernel assigned it.
        handle: u32,
        /// The parent.
        parent: u32,
        /// The kind, by the name of the kernel's kind.
        kind: String,
        /// The options, with times as our kinds show them.
        options: Vec<u8>,
    },
    /// The type of another message, or of the end of several messages.
    Other(u16),
}

/// A socket that can send any bytes.
pub struct Asker {
    side: Side,
    socket: Socket,
    sequence: u32,
}

impl Asker {
    /// Opens a socket in the current namespace.
    ///
    /// # Errors
    ///
    /// The socket cannot be opened.
    pub fn new(side: Side) -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("cannot open a netlink socket")?;
        socket.bind_auto()?;
        socket.connect(&Address::new(0, 0))?;
        socket.set_non_blocking(true)?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Self {
            side,
            socket,
            sequence: 0,
        })
    }

    /// Sends a message and returns all answers. The kernel has executed an order when the system
    /// call for sending returns.
    ///
    /// # Errors
    ///
    /// The socket fails, or an answer is malformed.
    pub fn ask(&mut self, message: &Message) -> Result<Vec<Answer>> {
        self.sequence += 1;
        let bytes = message.write(self.side, self.sequence);
        self.socket.send(&bytes, 0).context("cannot send")?;
        let mut answers = Vec::new();
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => self.read(&bytes, &mut answers)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot receive"),
            }
        }
        // The kernel dumps qdiscs in the order of a hash of their handles.
        answers.sort_by_cached_key(|answer| format!("{answer:?}"));
        Ok(answers)
    }

    fn read(&self, mut rest: &[u8], answers: &mut Vec<Answer>) -> Result<()> {
        while !rest.is_empty() {
            let length = word(rest, 0)? as usize;
            let message = rest.get(16..length).context("a malformed answer")?;
            let kind = (word(rest, 4)? & 0xffff) as u16;
            answers.push(match kind {
                NLMSG_ERROR => self.verdict(message, word(rest, 8)?)?,
                NLMSG_DONE => Answer::Other(kind),
                QDISC => self.qdisc(message)?,
                // The numbers of classes and filters depend on the packets in the queues, so they
                // are not compared.
                _ => {
                    rest = after(rest, length);
                    continue;
                }
            });
            rest = after(rest, length);
        }
        Ok(())
    }

    fn verdict(&self, message: &[u8], sequence: u32) -> Result<Answer> {
        let attributes = attributes(message.get(NLMSGERR_SIZE..).unwrap_or_default())?;
        let text = attributes.get(&NLMSGERR_ATTR_MSG).cloned();
        Ok(Answer::Verdict {
            errno: Errno::from_raw((word(message, 0)? as i32).wrapping_neg()),
            text: self.text(&text.unwrap_or_default()),
            own: sequence == self.sequence,
        })
    }

    fn qdisc(&self, message: &[u8]) -> Result<Answer> {
        let own = |handle: u32| if handle >= GIVEN { GIVEN } else { handle };
        let mut attributes = attributes(message.get(20..).context("a short answer")?)?;
        let kind = self.text(&attributes.remove(&1).unwrap_or_default());
        let options = attributes.remove(&2).unwrap_or_default();
        Ok(Answer::Qdisc {
            handle: own(word(message, 8)?),
            parent: word(message, 12)?,
            options: match (self.side, kind.as_str()) {
                (Side::Theirs, "codel") => times_rounded_up(&options, &TIMES)?,
                (Side::Theirs, "fq_codel") => times_rounded_up(&options, &FQ_TIMES)?,
                _ => options,
            },
            kind,
        })
    }

    fn text(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        self.side.neutral(text.trim_end_matches('\0'))
    }
}

fn after(rest: &[u8], length: usize) -> &[u8] {
    rest.get(length.next_multiple_of(4)..).unwrap_or_default()
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("a short answer")?;
    Ok(u32::from_ne_bytes(word.try_into()?))
}

fn attributes(bytes: &[u8]) -> Result<BTreeMap<u16, Vec<u8>>> {
    NlasIterator::new(bytes)
        .map(|attribute| {
            let attribute = attribute.context("a malformed attribute in an answer")?;
            Ok((attribute.kind(), attribute.value().to_vec()))
        })
        .collect()
}

/// A namespace of one side. The kernel removes it when its sockets are closed.
pub struct World {
    /// The socket for messages.
    pub asker: Asker,
    /// Index of the device.
    pub index: u32,
    tc: Tc,
    udp: UdpSocket,
    peer: SocketAddr,
}

impl World {
    /// Makes the namespace, which the process enters, and its device.
    ///
    /// # Errors
    ///
    /// The process lacks the permission, or the device or a socket cannot be made.
    pub fn new(side: Side) -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a name space")?;
        let device = Dummy::new("fuzz0", 31)?;
        let udp = UdpSocket::bind("0.0.0.0:0").context("cannot open a socket")?;
        // Sending must not block when the queue of the device is full.
        udp.set_nonblocking(true)?;
        let world = Self {
            asker: Asker::new(side)?,
            index: device.index,
            tc: Tc::open()?,
            udp,
            peer: device.peer,
        };
        // The device is removed with the namespace. Dropping it would look for it by name in
        // another namespace.
        mem::forget(device);
        Ok(world)
    }

    /// Sends packets through the device.
    pub fn send(&self, count: u32) {
        for _ in 0..count {
            // A packet may be dropped.
            let _ = self.udp.send_to(&[0; 400], self.peer);
        }
    }

    /// Returns whether an `rfq_codel` on the device has this number of flows.
    ///
    /// # Errors
    ///
    /// The socket fails.
    pub fn shows_flows(&self, flows: u32) -> Result<bool> {
        for options in self.tc.options_of(self.index, "rfq_codel")? {
            let shown = attributes(&options)?.remove(&FLOWS);
            if shown.is_some_and(|shown| shown == flows.to_ne_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes all qdiscs from the device.
    ///
    /// # Errors
    ///
    /// The socket fails.
    pub fn clear(&self) -> Result<()> {
        // There may be no qdisc.
        let _ = self.tc.delete(self.index)?;
        let _ = self.tc.delete_below(self.index, TcHandle::INGRESS)?;
        Ok(())
    }

    /// Checks that a new qdisc of the kind `name` works on the device.
    ///
    /// # Errors
    ///
    /// The qdisc cannot be added, or does not send packets.
    pub fn check(&self, name: &str) -> Result<()> {
        self.clear()?;
        self.tc
            .put(How::Replace, self.index, name, None)?
            .with_context(|| format!("cannot put {name} on the device"))?;
        self.send(3);
        let shown = self.tc.show(self.index)?;
        ensure!(
            shown.kind == name && shown.packets == 3 && shown.drops == 0,
            "expected {name} to send 3 packets, got {shown:?}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(side: Side, kind: u16, payload: &[u8]) -> Vec<Answer> {
        let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        let asker = Asker::new(side).unwrap();
        let mut answers = Vec::new();
        asker.read(&bytes, &mut answers).unwrap();
        answers
    }

    #[test]
    fn a_verdict_is_a_number_and_a_text() {
        let mut payload = (-22i32).to_ne_bytes().to_vec();
        payload.extend([0; 16]);
        payload.extend(b"\x0e\0\x01\0no rcodel\0\0\0");
        let expected = Answer::Verdict {
            errno: Errno::EINVAL,
            text: "no codel".into(),
            own: true,
        };
        assert_eq!(answers(Side::Ours, NLMSG_ERROR, &payload), [expected]);
    }

    #[test]
    fn handles_that_the_kernel_gave_are_the_same() {
        let shown = |handle: u32, name: &[u8]| {
            let mut payload = vec![0; 8];
            payload.extend(handle.to_ne_bytes());
            payload.extend(u32::MAX.to_ne_bytes());
            payload.extend([0; 4]);
            payload.extend(name);
            payload
        };
        let theirs = shown(0x8001_0000, b"\x0a\0\x01\0codel\0\0\0");
        let ours = shown(0x8002_0000, b"\x0b\0\x01\0rcodel\0\0");
        let theirs = answers(Side::Theirs, QDISC, &theirs);
        assert_eq!(theirs, answers(Side::Ours, QDISC, &ours));
        assert!(matches!(&theirs[..], [Answer::Qdisc { kind, .. }] if kind == "codel"));
    }
}
