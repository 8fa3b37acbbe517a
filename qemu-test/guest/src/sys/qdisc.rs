// SPDX-License-Identifier: GPL-2.0

//! Controls queueing disciplines over netlink. Tests need this to send options that `tc` would
//! never send, and to check the options that `tc` has sent.

use anyhow::{bail, Context, Result};
use netlink_packet_core::{
    DefaultNla, NetlinkMessage, NetlinkPayload, Nla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP,
    NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption, TcXstats};
use netlink_packet_route::RouteNetlinkMessage as Route;
use netlink_sys::{protocols::NETLINK_ROUTE, Socket, SocketAddr};
use nix::errno::Errno;

use super::Answer;

const TCA_OPTIONS: u16 = 2;

/// The kernel's dump of one qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its kind, such as `pfifo`.
    pub kind: String,
    /// Its options, not parsed.
    pub options: Vec<u8>,
    /// Its specific statistics, not parsed.
    pub xstats: Vec<u8>,
    /// Bytes that it sent.
    pub bytes: u64,
    /// Packets that it sent.
    pub packets: u32,
    /// Packets that it dropped.
    pub drops: u32,
    /// Packets that it holds now.
    pub qlen: u32,
}

/// How to add a qdisc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// There must be no qdisc in the place.
    Add,
    /// A qdisc in the place is replaced.
    Replace,
    /// The qdisc in the place gets other options.
    Change,
}

/// A netlink socket.
pub struct Tc {
    socket: Socket,
}

impl Tc {
    /// Opens a socket in the current network namespace.
    ///
    /// # Errors
    ///
    /// The socket cannot be opened.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("cannot open a netlink socket")?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket })
    }

    /// Adds, replaces or changes the qdisc at the root of a device.
    ///
    /// # Errors
    ///
    /// The socket fails. The kernel's refusal is the [`Answer`].
    pub fn put(&self, how: How, index: u32, kind: &str, options: Option<&[u8]>) -> Result<Answer> {
        self.put_below(how, index, TcHandle::ROOT, kind, options)
    }

    /// Does the same as [`Tc::put`], below `parent`.
    ///
    /// # Errors
    ///
    /// See [`Tc::put`].
    pub fn put_below(
        &self,
        how: How,
        index: u32,
        parent: TcHandle,
        kind: &str,
        options: Option<&[u8]>,
    ) -> Result<Answer> {
        let mut message = place(index, parent);
        message.attributes.push(TcAttribute::Kind(kind.to_string()));
        if let Some(bytes) = options {
            let raw = DefaultNla::new(TCA_OPTIONS, bytes.to_vec());
            message.attributes.push(TcAttribute::Other(raw));
        }
        let flags = match how {
            How::Add => NLM_F_CREATE | NLM_F_EXCL,
            How::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            How::Change => 0,
        };
        self.order(Route::NewQueueDiscipline(message), flags)
    }

    /// Removes the qdisc at the root of a device.
    ///
    /// # Errors
    ///
    /// See [`Tc::put`].
    pub fn delete(&self, index: u32) -> Result<Answer> {
        self.delete_below(index, TcHandle::ROOT)
    }

    /// Removes the qdisc of a device below `parent`.
    ///
    /// # Errors
    ///
    /// See [`Tc::put`].
    pub fn delete_below(&self, index: u32, parent: TcHandle) -> Result<Answer> {
        self.order(Route::DelQueueDiscipline(place(index, parent)), 0)
    }

    /// Sets a device up or down.
    ///
    /// # Errors
    ///
    /// See [`Tc::put`].
    pub fn set_up(&self, index: u32, up: bool) -> Result<Answer> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.change_mask = LinkFlags::Up;
        if up {
            message.header.flags = LinkFlags::Up;
        }
        self.order(Route::SetLink(message), 0)
    }

    /// Returns the qdisc at the root of a device.
    ///
    /// # Errors
    ///
    /// There is no qdisc, or the socket fails.
    pub fn show(&self, index: u32) -> Result<Shown> {
        self.find(index, TcHandle::ROOT)
    }

    /// Returns the qdisc of a device below `parent`.
    ///
    /// # Errors
    ///
    /// See [`Tc::show`].
    pub fn find(&self, index: u32, parent: TcHandle) -> Result<Shown> {
        let mut found = self.dump()?;
        found.retain(|message| {
            message.header.index == index as i32 && message.header.parent == parent
        });
        match &found[..] {
            [one] => Ok(shown(one)),
            _ => bail!("{} qdiscs on device {index} below {parent:?}", found.len()),
        }
    }

    /// Returns the options of all qdiscs of a kind on a device.
    ///
    /// # Errors
    ///
    /// The socket fails.
    pub fn options_of(&self, index: u32, kind: &str) -> Result<Vec<Vec<u8>>> {
        let all = self.dump()?;
        let of_device = all
            .iter()
            .filter(|message| message.header.index == index as i32);
        let shown = of_device.map(shown).filter(|shown| shown.kind == kind);
        Ok(shown.map(|shown| shown.options).collect())
    }

    fn dump(&self) -> Result<Vec<TcMessage>> {
        self.send(Route::GetQueueDiscipline(TcMessage::default()), NLM_F_DUMP)?;
        let mut messages = Vec::new();
        loop {
            for answer in self.receive()? {
                match answer {
                    NetlinkPayload::InnerMessage(Route::NewQueueDiscipline(message)) => {
                        messages.push(message);
                    }
                    NetlinkPayload::Done(_) => return Ok(messages),
                    other => bail!("unexpected answer to a dump: {other:?}"),
                }
            }
        }
    }

    fn order(&self, message: Route, flags: u16) -> Result<Answer> {
        self.send(message, flags | NLM_F_ACK)?;
        match self.receive()?.pop() {
            Some(NetlinkPayload::Error(error)) => Ok(match error.raw_code() {
                0 => Ok(()),
                code => Err(Errno::from_raw(-code)),
            }),
            other => bail!("unexpected answer to an order: {other:?}"),
        }
    }

    fn send(&self, message: Route, flags: u16) -> Result<()> {
        let mut packet = NetlinkMessage::from(message);
        packet.header.flags = flags | NLM_F_REQUEST;
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket
            .send(&bytes, 0)
            .context("cannot ask the kernel")?;
        Ok(())
    }

    /// Receives one datagram, which may hold several messages.
    fn receive(&self) -> Result<Vec<NetlinkPayload<Route>>> {
        let (bytes, _) = self.socket.recv_from_full().context("no answer")?;
        let mut rest = &bytes[..];
        let mut answers = Vec::new();
        while !rest.is_empty() {
            let message = NetlinkMessage::<Route>::deserialize(rest)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
            answers.push(message.payload);
        }
        Ok(answers)
    }
}

/// Returns a handle such as `10:1`.
pub fn handle(major: u16, minor: u16) -> TcHandle {
    TcHandle { major, minor }
}

fn place(index: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(index as i32);
    message.header.parent = parent;
    message
}

fn shown(message: &TcMessage) -> Shown {
    let mut shown = Shown::default();
    for attribute in &message.attributes {
        match attribute {
            TcAttribute::Kind(kind) => shown.kind.clone_from(kind),
            TcAttribute::Options(options) => {
                // The crate returns the options of an unknown kind as one raw attribute.
                let raw: &dyn Nla = match &options[..] {
                    [TcOption::Other(raw)] => raw,
                    _ => attribute,
                };
                shown.options = vec![0; raw.value_len()];
                raw.emit_value(&mut shown.options);
            }
            TcAttribute::Xstats(TcXstats::Other(bytes)) => shown.xstats.clone_from(bytes),
            TcAttribute::Stats(stats) => {
                shown.bytes = stats.bytes;
                shown.packets = stats.packets;
                shown.drops = stats.drops;
                shown.qlen = stats.qlen;
            }
            _ => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    #[test]
    fn an_order_has_the_options_byte_by_byte() {
        let mut message = place(3, TcHandle::ROOT);
        message.attributes.push(TcAttribute::Kind("rcodel".into()));
        let raw = DefaultNla::new(TCA_OPTIONS, vec![6, 0, 1, 0, 1, 2]);
        message.attributes.push(TcAttribute::Other(raw));
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        // The fields of struct tcmsg are: family, padding, ifindex, handle, parent, info.
        assert_eq!(bytes[4..8], [3, 0, 0, 0]);
        assert_eq!(bytes[12..16], [0xff; 4]);
        assert_eq!(bytes[20..31], *b"\x0b\x00\x01\x00rcodel\0");
        assert_eq!(bytes[32..], [10, 0, 2, 0, 6, 0, 1, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn an_unknown_kind_keeps_its_raw_options() {
        let raw = DefaultNla::new(TCA_OPTIONS, vec![8, 0, 2, 0, 1, 0, 0, 0]);
        let mut message = place(1, TcHandle::ROOT);
        message.attributes = vec![
            TcAttribute::Kind("rcodel".into()),
            TcAttribute::Options(vec![TcOption::Other(raw)]),
            TcAttribute::Xstats(TcXstats::Other(vec![1, 2, 3])),
        ];
        let shown = shown(&message);
        assert_eq!(shown.kind, "rcodel");
        assert_eq!(shown.options, [8, 0, 2, 0, 1, 0, 0, 0]);
        assert_eq!(shown.xstats, [1, 2, 3]);
    }
}
