// SPDX-License-Identifier: GPL-2.0

//! The traffic: TCP flows from the client to the server, and packets there and back.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use crate::delays::Delays;
use crate::link::{Plan, SERVER};
use crate::space::Space;

/// Of the TCP server, and of the one that sends packets back.
const PORT: u16 = 5001;

/// From one packet of the thin flow to the next, on average.
const INTERVAL: Duration = Duration::from_millis(20);

/// How often everybody looks whether the end has come.
const LOOK: Duration = Duration::from_millis(100);

/// How long connections may take to come about, and packets to come back after the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a queue did to the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What arrived of the TCP flows, all in all, in Mbit/s.
    pub mbit: f64,
    /// Round trips of the thin flow's packets.
    pub delays: Delays,
    /// Packets of the thin flow that did not come back.
    pub lost: usize,
}

/// Whether a socket has merely nothing to do.
fn is_idle(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// What all threads of a measurement know.
struct Load {
    /// Whether nobody sends any more.
    end: AtomicBool,
    /// Whether nobody waits for an answer any more.
    answered: AtomicBool,
    /// Bytes that arrived.
    bytes: AtomicU64,
}

/// Sends for as long as the plan says, and measures.
pub fn load(client: &Space, server: &Space, plan: &Plan) -> Result<Measured> {
    let listener = server.enter(|| Ok(TcpListener::bind(("0.0.0.0", PORT))?))?;
    let echo = server.enter(|| Ok(UdpSocket::bind(("0.0.0.0", PORT))?))?;
    let thin = client.enter(|| Ok(UdpSocket::bind("0.0.0.0:0")?))?;
    thin.connect((SERVER, PORT))?;
    let load = &Load {
        end: AtomicBool::new(false),
        answered: AtomicBool::new(false),
        bytes: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        let answer = scope.spawn(move || load.answer(&echo));
        let senders: Vec<_> = (0..plan.flows)
            .map(|_| scope.spawn(|| load.send(client)))
            .collect();
        let outcome = accept(&listener, plan.flows).and_then(|streams| {
            for stream in streams {
                scope.spawn(move || load.receive(stream));
            }
            let from = Instant::now() + plan.warm_up;
            let ping = scope.spawn(move || load.ping(&thin, from));
            sleep(plan.warm_up);
            let (start, before) = (Instant::now(), load.bytes.load(Relaxed));
            sleep(plan.time);
            let bytes = load.bytes.load(Relaxed) - before;
            let seconds = start.elapsed().as_secs_f64();
            load.end.store(true, Relaxed);
            let (delays, lost) = ping.join().expect("it does not panic")?;
            ensure!(delays.count() > 0, "no packet came back");
            Ok(Measured {
                mbit: bytes as f64 * 8e-6 / seconds,
                delays,
                lost,
            })
        });
        load.end.store(true, Relaxed);
        load.answered.store(true, Relaxed);
        for sender in senders {
            sender.join().expect("it does not panic")?;
        }
        answer.join().expect("it does not panic")?;
        outcome
    })
}

fn accept(listener: &TcpListener, flows: u32) -> Result<Vec<TcpStream>> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    let mut streams = Vec::new();
    while streams.len() < flows as usize {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(LOOK))?;
                streams.push(stream);
            }
            Err(error) if is_idle(&error) && start.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(5));
            }
            Err(error) => {
                let count = streams.len();
                return Err(error).context(format!("{count} of {flows} flows got through"));
            }
        }
    }
    Ok(streams)
}

impl Load {
    fn is_over(&self) -> bool {
        self.end.load(Relaxed)
    }

    /// A flow, from the client.
    fn send(&self, client: &Space) -> Result<()> {
        let stream = client.enter(|| Ok(TcpStream::connect((SERVER, PORT))?));
        let mut stream = stream.context("cannot connect to the server")?;
        stream.set_write_timeout(Some(LOOK))?;
        let bytes = [0; 1 << 14];
        while !self.is_over() {
            match stream.write(&bytes) {
                Ok(_) => {}
                Err(error) if is_idle(&error) => {}
                // The server has left first.
                Err(_) if self.is_over() => break,
                Err(error) => return Err(error).context("a flow broke off"),
            }
        }
        Ok(())
    }

    /// A flow, at the server.
    fn receive(&self, mut stream: TcpStream) {
        let mut bytes = [0; 1 << 14];
        while !self.is_over() {
            match stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => {
                    self.bytes.fetch_add(count as u64, Relaxed);
                }
                Err(error) if is_idle(&error) => {}
                // The sender tells.
                Err(_) => return,
            }
        }
    }

    /// Sends packets back until nobody waits for them.
    fn answer(&self, socket: &UdpSocket) -> Result<()> {
        socket.set_read_timeout(Some(LOOK))?;
        let mut bytes = [0; 64];
        while !self.answered.load(Relaxed) {
            match socket.recv_from(&mut bytes) {
                Ok((count, from)) => {
                    // The queue on the way may have no room.
                    let _ = socket.send_to(&bytes[..count], from);
                }
                Err(error) if is_idle(&error) => {}
                Err(error) => return Err(error).context("the server"),
            }
        }
        Ok(())
    }

    /// The thin flow. Packets sent before `from` do not count; returns how long the others
    /// took, and how many did not come back.
    fn ping(&self, socket: &UdpSocket, from: Instant) -> Result<(Delays, usize)> {
        socket.set_read_timeout(Some(LOOK))?;
        let epoch = Instant::now();
        let mut delays = Vec::new();
        let sent = thread::scope(|scope| {
            let sender = scope.spawn(|| self.send_pings(socket, epoch));
            while !sender.is_finished() {
                delays.extend(came_back(socket, epoch)?);
            }
            anyhow::Ok(sender.join().expect("it does not panic"))
        })?;
        // Those that are under way are the ones that took longest.
        let end = Instant::now();
        while delays.len() < sent.len() && end.elapsed() < 2 * LOOK + longest(&delays) {
            delays.extend(came_back(socket, epoch)?);
        }
        let counts = |start: &Duration| epoch + *start >= from;
        let all = sent.iter().filter(|start| counts(start)).count();
        let counted = delays.iter().filter(|(start, _)| counts(start));
        let delays: Delays = counted.map(|(_, delay)| *delay).collect();
        let lost = all - delays.count();
        Ok((delays, lost))
    }

    /// Sends the packets of the thin flow, each with its time since `epoch`. Returns these.
    ///
    /// The pauses are those of a Poisson process (RFC 2330, section 11.1.1): packets at equal
    /// distances fall into step with a queue that serves its flows in turn, and see it at its
    /// best or at its worst alone.
    fn send_pings(&self, socket: &UdpSocket, epoch: Instant) -> Vec<Duration> {
        let mut sent = Vec::new();
        let mut bytes = [0; 64];
        let mut next = Instant::now();
        while !self.is_over() {
            let now = epoch.elapsed();
            sent.push(now);
            bytes[..8].copy_from_slice(&(now.as_nanos() as u64).to_ne_bytes());
            // A full queue counts as a packet that is lost.
            let _ = socket.send(&bytes);
            let pause = INTERVAL.mul_f64(-(1.0 - fastrand::f64()).ln());
            next += pause.min(LOOK);
            sleep(next.saturating_duration_since(Instant::now()));
        }
        sent
    }
}

/// A packet of the thin flow that has come back, if one has: when it was sent, counted from
/// `epoch`, and how many milliseconds it took.
fn came_back(socket: &UdpSocket, epoch: Instant) -> Result<Option<(Duration, f64)>> {
    let mut bytes = [0; 64];
    match socket.recv(&mut bytes) {
        Ok(8..) => {
            let start = Duration::from_nanos(u64::from_ne_bytes(bytes[..8].try_into()?));
            let delay = epoch.elapsed().checked_sub(start);
            let delay = delay.context("a packet came back that was not sent")?;
            Ok(Some((start, delay.as_secs_f64() * 1e3)))
        }
        Ok(_) => bail!("a packet came back in part"),
        Err(error) if is_idle(&error) => Ok(None),
        Err(error) => Err(error).context("the thin flow"),
    }
}

/// The longest of these delays, but no longer than anybody waits.
fn longest(delays: &[(Duration, f64)]) -> Duration {
    let longest = delays.iter().map(|(_, delay)| *delay).fold(0.0, f64::max);
    Duration::from_secs_f64(longest / 1e3).min(PATIENCE)
}
