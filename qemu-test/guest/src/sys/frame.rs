// SPDX-License-Identifier: GPL-2.0

//! Builds Ethernet frames, and sends them through a packet socket.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    sendto, socket, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike,
};

/// The destination, which is the broadcast address, and a source of zeroes.
const ADDRESSES: [u8; 12] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0];

/// Returns a broadcast frame of this EtherType, with a payload of zeroes.
pub fn of_type(kind: u16, bytes: usize) -> Vec<u8> {
    [&ADDRESSES[..], &kind.to_be_bytes(), &vec![0; bytes]].concat()
}

/// A TCP segment without data, in a broadcast frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its source address and port.
    pub source: (Ipv4Addr, u16),
    /// Its destination address and port.
    pub destination: (Ipv4Addr, u16),
    /// The DS field of its IP header, ECN bits included.
    pub dsfield: u8,
}

impl Segment {
    /// Returns the whole frame: Ethernet, IPv4 and TCP headers of 54 bytes.
    pub fn frame(&self) -> Vec<u8> {
        self.tagged(&[])
    }

    /// Returns the whole frame with VLAN tags (IEEE 802.1Q, tag control information), the outermost
    /// first.
    pub fn tagged(&self, tags: &[u16]) -> Vec<u8> {
        let tags = tags.iter().map(|tag| [[0x81, 0x00], tag.to_be_bytes()]);
        let mut frame = ADDRESSES.to_vec();
        frame.extend(tags.flatten().flatten());
        frame.extend([0x08, 0x00]);
        frame.extend(self.ip());
        frame.extend(self.tcp());
        frame
    }

    fn ip(&self) -> [u8; 20] {
        // The fields are: version and header length, total length of 40 bytes, time to live 64,
        // TCP.
        let mut header = [0; 20];
        header[0] = 0x45;
        header[1] = self.dsfield;
        header[3] = 40;
        header[8] = 64;
        header[9] = 6;
        header[12..16].copy_from_slice(&self.source.0.octets());
        header[16..].copy_from_slice(&self.destination.0.octets());
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        header
    }

    fn tcp(&self) -> [u8; 20] {
        // The segment is a SYN with a header of 20 bytes and a window of 8192.
        let mut header = [0; 20];
        header[..2].copy_from_slice(&self.source.1.to_be_bytes());
        header[2..4].copy_from_slice(&self.destination.1.to_be_bytes());
        header[12] = 0x50;
        header[13] = 0x02;
        header[14] = 0x20;
        let pseudo = [
            &self.source.0.octets()[..],
            &self.destination.0.octets(),
            &[0, 6, 0, 20],
            &header,
        ]
        .concat();
        header[16..18].copy_from_slice(&checksum(&pseudo));
        header
    }
}

/// Returns the Internet's checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks_exact(2);
    let mut sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// Sends a frame `count` times through a device of the current network namespace.
///
/// # Errors
///
/// There is no such device, it is down, or the frame does not fit.
pub fn send(device: &str, frame: &[u8], count: u32) -> Result<()> {
    let to = address(device).with_context(|| format!("no device {device}"))?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let raw = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    for _ in 0..count {
        sendto(raw.as_raw_fd(), frame, &to, MsgFlags::empty())
            .with_context(|| format!("cannot send through {device}"))?;
    }
    Ok(())
}

fn address(device: &str) -> Option<LinkAddr> {
    let all = getifaddrs().ok()?;
    all.filter(|one| one.interface_name == device)
        .filter_map(|one| one.address)
        .find(|address| address.family() == Some(AddressFamily::Packet))
        .and_then(|address| address.as_link_addr().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Segment = Segment {
        source: (Ipv4Addr::new(10, 0, 0, 10), 5000),
        destination: (Ipv4Addr::new(10, 0, 0, 20), 10),
        dsfield: 0,
    };

    #[test]
    fn a_segment_is_what_others_make_of_it() {
        let frame = SEGMENT.frame();
        assert_eq!(frame.len(), 54);
        assert_eq!(frame[12..14], [0x08, 0x00]);
        assert_eq!(frame[26..34], [10, 0, 0, 10, 10, 0, 0, 20]);
        assert_eq!(frame[34..38], [0x13, 0x88, 0, 10]);
        // The sum over a header with its checksum in it is zero.
        assert_eq!(checksum(&frame[14..34]), [0, 0]);
    }

    #[test]
    fn tags_are_before_the_type() {
        let tagged = SEGMENT.tagged(&[0x6007, 0x0008]);
        assert_eq!(tagged.len(), 62);
        assert_eq!(
            tagged[12..22],
            [0x81, 0, 0x60, 7, 0x81, 0, 0, 8, 0x08, 0x00]
        );
        assert_eq!(tagged[22..], SEGMENT.frame()[14..]);
        assert_eq!(of_type(0x88b5, 46).len(), 60);
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // RFC 1071, section 3: the sum is ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&bytes), (!0xddf2u16).to_be_bytes());
    }
}
