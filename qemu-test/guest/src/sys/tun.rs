// SPDX-License-Identifier: GPL-2.0

//! Implements a tun device that accepts no more packets when its ring is full, because its file is
//! never read.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};

use super::cmd::{self, Kept};

/// The Perl script that attaches to a tun device, and keeps it until the script's input ends.
/// `TUNSETIFF` gets a `struct ifreq` with `IFF_TUN`, `IFF_NO_PI` and `IFF_BACKPRESSURE`.
///
/// An ioctl would need unsafe code in Rust. Perl is part of every Debian system.
const ATTACH: &str = r#"
    open(my $tun, "+<", "/dev/net/tun") or die "/dev/net/tun: $!";
    my $request = pack("a16 S x22", $ARGV[0], 0x0001 | 0x1000 | 0x0080);
    ioctl($tun, 0x400454ca, $request) or die "TUNSETIFF: $!";
    $| = 1;
    print "ready\n";
    <STDIN>;
"#;

/// The device, which is removed when this is dropped.
pub struct Tun(#[allow(dead_code)] Kept);

impl Tun {
    /// Makes a device in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// The kernel has no tun devices, or the name is taken.
    pub fn new(name: &str) -> Result<Self> {
        cmd::run("modprobe tun")?;
        let child = Command::new("perl")
            .args(["-e", ATTACH, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start perl")?;
        let mut child = Kept(child);
        let output = child.0.stdout.take().context("no output of perl")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line == "ready\n", "cannot make the tun device {name}");
        Ok(Self(child))
    }
}
