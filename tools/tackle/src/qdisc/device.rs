// SPDX-License-Identifier: GPL-2.0

//! Finds a network device and its queues, by netlink.
//!
//! C headers: `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_link.h`.

use anyhow::{anyhow, bail, Context, Error, Result};
use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkMessage};
use netlink_packet_route::tc::TcMessage;
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use tackle_core::netlink::Attributes;

use super::sample::{queue, Queue, KINDS};
use crate::netlink::{Message, Netlink};
use crate::unknown::unknown;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWQDISC: u16 = 36;

const IFLA_IFNAME: u16 = 3;
const IFLA_ALT_IFNAME: u16 = 53;

/// The size in bytes of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;

/// The longest name of a device; alternative names may be longer.
const NAME: usize = 15;

/// A network device.
pub struct Device {
    netlink: Netlink,
    /// The name that the user has given, which may be an alternative name.
    name: String,
    index: u32,
}

impl Device {
    /// Finds the device that has this name or alternative name.
    ///
    /// # Errors
    /// Returns an error if the network namespace has no such device; its text lists the devices.
    /// Also returns the errors of [`Netlink::get`].
    pub fn new(netlink: Netlink, name: &str) -> Result<Self> {
        let attribute = if name.len() <= NAME {
            LinkAttribute::IfName(name.to_owned())
        } else {
            let text = [name.as_bytes(), &[0]].concat();
            LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, text))
        };
        let mut message = LinkMessage::default();
        message.attributes.push(attribute);
        match link(&netlink, message) {
            Ok(header) => Ok(Self {
                netlink,
                name: name.to_owned(),
                index: header.index,
            }),
            Err(error) => match error.downcast_ref() {
                // The kernel returns EINVAL or ERANGE for a name that no device can have.
                Some(Errno::ENODEV | Errno::EINVAL | Errno::ERANGE) => {
                    let names = names(&netlink)?;
                    Err(unknown("device", name, names.iter().map(String::as_str)))
                }
                _ => Err(error.context(format!("cannot find the device {name}"))),
            },
        }
    }

    /// Reads the queues of the CoDel family on this device.
    ///
    /// # Errors
    /// Returns an error if the device has no such queue, whose text names the other queueing
    /// disciplines; or if the device has been removed. Also returns the errors of
    /// [`Netlink::dump`].
    pub fn queues(&self) -> Result<Vec<Queue>> {
        // A recent kernel restricts the dump to the device. An older one ignores the index.
        // CAST: The kernel's indices are positive and have 31 bits.
        let of_device = TcMessage::with_index(self.index as i32);
        let request = RouteNetlinkMessage::GetQueueDiscipline(of_device);
        let messages = self.netlink.dump(request);
        let messages = messages.with_context(|| format!("cannot read the qdiscs of {self}"))?;
        let all = messages
            .iter()
            .filter(|message| message.kind == RTM_NEWQDISC)
            .filter_map(|message| queue(&message.payload));
        let ours = all.filter(|(index, _)| *index == self.index);
        let (controlled, others): (Vec<_>, Vec<_>) = ours
            .map(|(_, queue)| queue)
            .partition(|queue| KINDS.contains(&queue.kind.as_str()));
        if controlled.is_empty() {
            return Err(self.without_codel(&others));
        }
        Ok(controlled)
    }

    /// Returns the error that the device has no queue of the CoDel family.
    fn without_codel(&self, others: &[Queue]) -> Error {
        let others: Vec<_> = others.iter().map(|queue| queue.kind.as_str()).collect();
        let command = format!("tc qdisc replace dev {self} root rfq_codel");
        if others.iter().any(|kind| *kind != "noop") {
            let (kinds, others) = (KINDS.join(", "), others.join(", "));
            return anyhow!("{self} has none of {kinds}; it has {others}: {command}");
        }
        let mut message = LinkMessage::default();
        message.header.index = self.index;
        match link(&self.netlink, message) {
            Ok(header) if header.flags.contains(LinkFlags::Up) => {
                anyhow!("{self} has no queueing discipline: {command}")
            }
            Ok(_) => anyhow!(
                "{self} has no queueing discipline because it is down: ip link set {self} up"
            ),
            Err(error) if error.downcast_ref() == Some(&Errno::ENODEV) => {
                anyhow!("the device {self} has been removed")
            }
            Err(error) => error,
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Requests one device from the kernel.
fn link(netlink: &Netlink, request: LinkMessage) -> Result<LinkHeader> {
    let messages = netlink.get(RouteNetlinkMessage::GetLink(request))?;
    let Some(message) = links(&messages).next() else {
        bail!("the kernel's answer has no device");
    };
    LinkHeader::parse(message).map_err(Error::msg)
}

/// Returns the names of all devices, sorted.
fn names(netlink: &Netlink) -> Result<Vec<String>> {
    let messages = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let name = |message: &[u8]| {
        let attributes = Attributes::new(message.get(LINK_HEADER..)?);
        super::sample::text(attributes.get(IFLA_IFNAME)?)
    };
    let mut names: Vec<_> = links(&messages).filter_map(name).collect();
    names.sort_unstable();
    Ok(names)
}

fn links(messages: &[Message]) -> impl Iterator<Item = &[u8]> {
    let links = messages
        .iter()
        .filter(|message| message.kind == RTM_NEWLINK);
    links.map(|message| &message.payload[..])
}
