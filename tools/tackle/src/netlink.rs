// SPDX-License-Identifier: GPL-2.0

//! Sends requests to the kernel by netlink (`NETLINK_ROUTE`), and collects the answers.
//!
//! Payloads are not decoded here. So a message that cannot be decoded, about a device that the
//! caller ignores, does not fail the whole dump.

use std::cell::Cell;
use std::io::{self, ErrorKind};

use anyhow::{bail, Context, Error, Result};
use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NetlinkBuffer, NetlinkMessage, NLM_F_DUMP, NLM_F_DUMP_INTR,
    NLM_F_MULTIPART, NLM_F_REQUEST,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

/// Types of messages that have the same meaning in each family.
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

/// How many times a dump is tried while the kernel marks it as interrupted (`NLM_F_DUMP_INTR`).
const REPEATS: u32 = 20;

/// Sends requests and receives datagrams: a netlink socket, or a fake in tests.
pub trait Transport {
    /// Sends a request.
    ///
    /// # Errors
    /// Returns the kernel's error, such as `ENOBUFS` if it has no memory for the request.
    fn send(&self, request: &[u8]) -> io::Result<()>;

    /// Waits for a datagram.
    ///
    /// # Errors
    /// Returns the kernel's error, such as `ENOBUFS` if datagrams were lost.
    fn receive(&self) -> io::Result<Vec<u8>>;
}

impl Transport for Socket {
    fn send(&self, request: &[u8]) -> io::Result<()> {
        Self::send(self, request, 0).map(drop)
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        loop {
            match self.recv_from_full() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => return received.map(|(bytes, _)| bytes),
            }
        }
    }
}

/// A message of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, such as `RTM_NEWQDISC`.
    pub kind: u16,
    /// The data after `struct nlmsghdr`.
    pub payload: Vec<u8>,
}

/// A netlink connection, in the network namespace in which it was opened.
pub struct Netlink {
    transport: Box<dyn Transport>,
    sequence: Cell<u32>,
}

impl Netlink {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Returns `EMFILE` or `ENFILE` if too many files are open, and `ENOMEM` if the kernel has no
    /// memory.
    pub fn open() -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            // From now on only the kernel can send to this socket.
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().context("cannot open a netlink socket")?;
        Ok(Self::with(socket))
    }

    /// Sends requests to `transport` instead of a kernel socket.
    pub fn with(transport: impl Transport + 'static) -> Self {
        Self {
            transport: Box::new(transport),
            sequence: Cell::new(0),
        }
    }

    /// Requests a single object.
    ///
    /// # Errors
    /// Returns an error if the socket fails or an answer is truncated. If the kernel answers with
    /// an error, it is an [`Errno`].
    pub fn get(&self, request: RouteNetlinkMessage) -> Result<Vec<Message>> {
        self.ask(request, 0)
    }

    /// Requests all objects of one kind (`NLM_F_DUMP`).
    ///
    /// # Errors
    /// Returns the errors of [`get`](Self::get), and an error if objects changed during each of
    /// several dumps.
    pub fn dump(&self, request: RouteNetlinkMessage) -> Result<Vec<Message>> {
        self.ask(request, NLM_F_DUMP)
    }

    fn ask(&self, request: RouteNetlinkMessage, flags: u16) -> Result<Vec<Message>> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | flags;
        for _ in 0..REPEATS {
            let sequence = self.sequence.get().wrapping_add(1);
            self.sequence.set(sequence);
            request.header.sequence_number = sequence;
            request.finalize();
            let mut bytes = vec![0; request.buffer_len()];
            request.serialize(&mut bytes);
            self.transport
                .send(&bytes)
                .context("cannot ask the kernel by netlink")?;
            let mut answer = Answer::of(sequence);
            while !answer.is_complete {
                let datagram = self.transport.receive();
                answer.read(&datagram.context("the kernel does not answer by netlink")?)?;
            }
            if !answer.is_interrupted {
                return Ok(answer.messages);
            }
        }
        bail!("the kernel's answer changed while it was read, {REPEATS} times")
    }
}

/// The part of an answer that was received so far.
struct Answer {
    sequence: u32,
    messages: Vec<Message>,
    is_complete: bool,
    is_interrupted: bool,
}

impl Answer {
    fn of(sequence: u32) -> Self {
        Self {
            sequence,
            messages: Vec::new(),
            is_complete: false,
            is_interrupted: false,
        }
    }

    /// Reads a datagram, which holds one or more messages.
    fn read(&mut self, datagram: &[u8]) -> Result<()> {
        let cut_off = "an answer of the kernel by netlink is cut off";
        if datagram.is_empty() {
            bail!(cut_off);
        }
        let mut rest = datagram;
        while !rest.is_empty() {
            let message = NetlinkBuffer::new_checked(rest)
                .map_err(Error::msg)
                .context(cut_off)?;
            let next = (message.length() as usize).next_multiple_of(4);
            rest = rest.get(next..).unwrap_or_default();
            // Messages left over from an earlier request are skipped.
            if message.sequence_number() == self.sequence {
                self.take(&message).context(cut_off)??;
            }
        }
        Ok(())
    }

    /// Handles one message. Returns [`None`] if the message is truncated.
    fn take(&mut self, message: &NetlinkBuffer<&[u8]>) -> Option<Result<()>> {
        self.is_interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
        let payload = message.payload();
        let code = match message.message_type() {
            NLMSG_NOOP => return Some(Ok(())),
            NLMSG_OVERRUN => return Some(Err(Errno::ENOBUFS.into())),
            NLMSG_ERROR => {
                let code = ErrorBuffer::new_checked(payload).ok()?.code();
                code.map_or(0, |code| code.get())
            }
            NLMSG_DONE if payload.is_empty() => 0,
            NLMSG_DONE => DoneBuffer::new_checked(payload).ok()?.code(),
            kind => {
                self.messages.push(Message {
                    kind,
                    payload: payload.to_vec(),
                });
                self.is_complete |= message.flags() & NLM_F_MULTIPART == 0;
                return Some(Ok(()));
            }
        };
        self.is_complete = true;
        // Errors are negative. `NLMSG_DONE` may carry a positive value, which is no error.
        Some(if code < 0 {
            Err(Errno::from_raw(code.wrapping_neg()).into())
        } else {
            Ok(())
        })
    }
}
